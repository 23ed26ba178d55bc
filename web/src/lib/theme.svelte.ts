/** Dark, light or the system's choice; kept in a cookie, so that the server writes it into the page. */

export type Theme = 'system' | 'dark' | 'light';

const YEAR_S = 31_536_000;

function stored(): Theme {
  const found = /(?:^|;\s*)theme=(dark|light)(?:;|$)/.exec(document.cookie)?.[1];
  return (found as Theme | undefined) ?? 'system';
}

class ThemeState {
  chosen = $state<Theme>(stored());
  /** Counts changes of the colours on the screen: canvases redraw when it moves. */
  version = $state(0);

  set(theme: Theme): void {
    this.chosen = theme;
    const secure = location.protocol === 'https:' ? '; secure' : '';
    document.cookie =
      theme === 'system'
        ? `theme=; path=/; max-age=0; samesite=lax${secure}`
        : `theme=${theme}; path=/; max-age=${YEAR_S}; samesite=lax${secure}`;
    this.apply();
  }

  apply(): void {
    document.documentElement.dataset.theme = this.chosen === 'system' ? '' : this.chosen;
    this.version += 1;
  }

  start(): void {
    this.apply();
    matchMedia('(prefers-color-scheme: light)').addEventListener('change', () => (this.version += 1));
  }

  next(): void {
    this.set(this.chosen === 'system' ? 'dark' : this.chosen === 'dark' ? 'light' : 'system');
  }
}

export const theme = new ThemeState();

let probe: HTMLElement | null = null;
let cachedVersion = -1;
const cache = new Map<string, string>();

/** The colour behind a token right now, for canvases, which cannot read light-dark(). */
export function tokenColor(name: string): string {
  if (cachedVersion !== theme.version) cache.clear();
  cachedVersion = theme.version;
  const known = cache.get(name);
  if (known) return known;
  if (!probe) {
    probe = document.createElement('span');
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(${name})`;
  const color = getComputedStyle(probe).color;
  cache.set(name, color);
  return color;
}
