/** Keyboard: single letters, "g" then a letter to go somewhere, j and k in lists. */
import { navigate } from './router.svelte';

export const GO: Record<string, { path: string; label: string }> = {
  o: { path: '/', label: 'Overview' },
  i: { path: '/issues', label: 'Issues' },
  x: { path: '/traces', label: 'Traces' },
  f: { path: '/performance', label: 'Performance' },
  m: { path: '/explore', label: 'Metrics' },
  q: { path: '/logs', label: 'Logs' },
  p: { path: '/monitors', label: 'Monitors' },
  a: { path: '/alerts', label: 'Alerts' },
  l: { path: '/silences', label: 'Silences' },
  r: { path: '/rules', label: 'Rules' },
  w: { path: '/routes', label: 'Routes' },
  n: { path: '/notifications', label: 'Notifications' },
  d: { path: '/drills', label: 'Drills' },
  t: { path: '/targets', label: 'Targets' },
  c: { path: '/cardinality', label: 'Cardinality' },
  s: { path: '/settings', label: 'Settings' },
};

const CHORD_MS = 1_200;
const handlers = new Map<string, () => void>();
let chordUntil = 0;

/** Binds a key for as long as the component lives. */
export function onKey(key: string, handler: () => void): void {
  $effect(() => {
    const before = handlers.get(key);
    handlers.set(key, handler);
    return () => {
      if (before) handlers.set(key, before);
      else handlers.delete(key);
    };
  });
}

function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  return !!element?.closest?.('input, textarea, select, [contenteditable="true"], [data-editor]');
}

function moveInList(step: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>('#main [data-row]')].filter((row) => row.offsetParent);
  if (!rows.length) return;
  const now = rows.findIndex((row) => row === document.activeElement || row.contains(document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, now < 0 ? 0 : now + step))]!;
  next.focus();
  next.scrollIntoView({ block: 'nearest' });
}

function onKeydown(event: KeyboardEvent): void {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
    event.preventDefault();
    handlers.get('palette')?.();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (document.querySelector('dialog[open]')) return;
  if (performance.now() < chordUntil) {
    chordUntil = 0;
    const go = GO[event.key];
    if (go) {
      event.preventDefault();
      navigate(go.path);
      return;
    }
  }
  if (event.key === 'g') {
    chordUntil = performance.now() + CHORD_MS;
  } else if (event.key === 'j' || event.key === 'k') {
    event.preventDefault();
    moveInList(event.key === 'j' ? 1 : -1);
  } else if (event.key === '/') {
    event.preventDefault();
    const box = document.querySelector<HTMLInputElement>('[data-search]');
    if (box) box.focus();
    else handlers.get('palette')?.();
  } else if (handlers.has(event.key)) {
    event.preventDefault();
    handlers.get(event.key)!();
  }
}

export function startKeys(): void {
  document.addEventListener('keydown', onKeydown);
}
