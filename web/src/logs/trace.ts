/** Stack traces as text, of Python, JavaScript and Java: the libraries' frames are told from the application's. */

export interface TracePart {
  isLibrary: boolean;
  /** How many frames; 0 for lines that belong to none: the beginning, the error itself. */
  frames: number;
  lines: string[];
}

const FRAME = /^\s+(?:File "|at |\.{3} \d+ more)/;
const LIBRARY = /site-packages|dist-packages|[/\\]lib[/\\]python\d|node_modules|node:|<frozen |\bat (?:java|javax|jdk|sun|org\.(?:springframework|apache|hibernate|junit))\./;
const MOST_LINES = 2_000;

/** Neighbouring library frames are one part; if nothing is the application's, nothing is folded. */
export function partsOf(text: string): TracePart[] {
  const parts: TracePart[] = [];
  let isInFrame = false;
  for (const line of text.split('\n').slice(0, MOST_LINES)) {
    const isFrame: boolean = FRAME.test(line);
    const isMore: boolean = !isFrame && isInFrame && /^\s+\S/.test(line);
    isInFrame = isFrame || isMore;
    const last = parts.at(-1);
    if (isMore && last) {
      last.lines.push(line);
      continue;
    }
    const isLibrary = isFrame && LIBRARY.test(line);
    if (last && last.isLibrary === isLibrary) {
      last.lines.push(line);
      last.frames += Number(isFrame);
    } else parts.push({ isLibrary, frames: Number(isFrame), lines: [line] });
  }
  return parts.some((part) => !part.isLibrary && part.frames) ? parts : parts.map((part) => ({ ...part, isLibrary: false }));
}
