/** The query box: CodeMirror with PromQL, inside a shadow root, where its styles are adopted sheets that style-src allows. */
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { EditorState, Prec } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { PromQLExtension } from '@prometheus-io/codemirror-promql';
import { completionClient } from './prometheus';

export interface Editor {
  read: () => string;
  write: (text: string) => void;
  insert: (text: string) => void;
  focus: () => void;
  destroy: () => void;
}

const look = EditorView.theme({
  '&': { fontSize: '13px', color: 'var(--tx)', maxHeight: '220px' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55', overflow: 'auto' },
  '.cm-content': { padding: '6px 0', caretColor: 'var(--tx)' },
  '.cm-line': { padding: '0 10px' },
  '.cm-placeholder': { color: 'var(--tx3)' },
  '.cm-cursor': { borderLeftColor: 'var(--tx)' },
  '&.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--accent-soft)', outline: '1px solid var(--line2)' },
  '.cm-tooltip': { border: '1px solid var(--line2)', borderRadius: '6px', backgroundColor: 'var(--panel)', color: 'var(--tx)', boxShadow: 'var(--shadow)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '12px', maxHeight: '260px', minWidth: '280px' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '3px 8px', lineHeight: '18px' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--raised)', color: 'var(--tx)' },
  '.cm-completionIcon': { display: 'none' },
  '.cm-completionMatchedText': { textDecoration: 'none', color: 'var(--accent-tx)' },
  '.cm-completionDetail': { color: 'var(--tx3)', fontStyle: 'normal', marginLeft: '10px' },
  '.cm-tooltip.cm-completionInfo': { padding: '6px 9px', maxWidth: '340px', fontFamily: 'var(--font)', fontSize: '12px', overflow: 'visible' },
  '.cm-diagnostic': { padding: '4px 9px', fontFamily: 'var(--font)', fontSize: '12px', borderLeft: '3px solid var(--crit)' },
  '.cm-diagnostic-warning': { borderLeftColor: 'var(--warn)' },
});

const colors = HighlightStyle.define([
  { tag: tags.name, color: 'var(--tx)' },
  { tag: [tags.number, tags.definition(tags.number)], color: 'var(--s2)' },
  // On white, the series' colour alone is too light for text.
  { tag: tags.string, color: 'color-mix(in srgb, var(--s3) 80%, var(--tx))' },
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: 'var(--s5)' },
  { tag: tags.function(tags.variableName), color: 'var(--s1)' },
  { tag: tags.labelName, color: 'var(--s6)' },
  { tag: [tags.operator, tags.punctuation], color: 'var(--tx2)' },
  { tag: tags.comment, color: 'var(--tx3)' },
  { tag: tags.invalid, color: 'var(--crit-tx)' },
]);

export function makeEditor(host: HTMLElement, text: string, label: string, onRun: (text: string) => void, onChange?: (text: string) => void): Editor {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open', delegatesFocus: true });
  const promql = new PromQLExtension().setComplete({ remote: completionClient });
  const run = (view: EditorView): boolean => {
    onRun(view.state.doc.toString());
    return true;
  };
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        Prec.highest(keymap.of([{ key: 'Mod-Enter', run }])),
        autocompletion({ icons: false }),
        keymap.of([...completionKeymap]),
        Prec.high(keymap.of([{ key: 'Enter', run, shift: insertNewlineAndIndent }])),
        history(),
        bracketMatching(),
        closeBrackets(),
        keymap.of([{ key: 'Escape', run: (v) => (v.contentDOM.blur(), true) }, ...closeBracketsKeymap, ...historyKeymap, ...defaultKeymap]),
        promql.asExtension(),
        syntaxHighlighting(colors),
        look,
        placeholder('Metric or PromQL expression, e.g. sum by (status) (rate(http_requests_total[5m]))'),
        EditorView.lineWrapping,
        EditorView.updateListener.of((update) => update.docChanged && onChange?.(update.state.doc.toString())),
        EditorView.contentAttributes.of({ 'aria-label': label, autocapitalize: 'off' }),
      ],
    }),
  });
  // Whoever focuses the host gets to the first thing in it that takes the focus, which is the scroller.
  view.scrollDOM.addEventListener('focus', () => view.focus());
  return {
    read: () => view.state.doc.toString(),
    write: (next) => {
      if (next !== view.state.doc.toString()) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next }, selection: { anchor: next.length } });
    },
    insert: (part) => {
      view.dispatch(view.state.replaceSelection(part));
      view.focus();
    },
    focus: () => view.focus(),
    destroy: () => {
      view.destroy();
      promql.destroy();
    },
  };
}
