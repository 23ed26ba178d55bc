/** Where the browser is. The URL holds all state of a page, so that a copied link shows the same screen. */
import { tick } from 'svelte';

class Location {
  path = $state(window.location.pathname);
  search = $state(window.location.search);
  query = $derived(new URLSearchParams(this.search));

  get(name: string, fallback = ''): string {
    return this.query.get(name) ?? fallback;
  }

  getAll(name: string): string[] {
    return this.query.getAll(name);
  }
}

export const here = new Location();

/** A list stands for a parameter that is repeated; its empty members are kept. */
type Values = Record<string, string | number | string[] | null | undefined>;

function read(): void {
  here.path = window.location.pathname;
  here.search = window.location.search;
}

/** The URL of this page with some parameters changed; null removes one. */
export function withQuery(values: Values): string {
  const query = new URLSearchParams(here.search);
  for (const [key, value] of Object.entries(values)) {
    if (Array.isArray(value)) {
      query.delete(key);
      for (const one of value) query.append(key, one);
    } else if (value === null || value === undefined || value === '') query.delete(key);
    else query.set(key, String(value));
  }
  const text = query.toString().replaceAll('%3A', ':').replaceAll('%2C', ',');
  return here.path + (text ? `?${text}` : '');
}

export function setQuery(values: Values, { replace = false } = {}): void {
  const url = withQuery(values);
  if (url === here.path + here.search) return;
  if (replace) history.replaceState(null, '', url);
  else history.pushState(null, '', url);
  read();
}

export function navigate(url: string): void {
  const samePath = new URL(url, window.location.href).pathname === here.path;
  history.pushState(null, '', url);
  read();
  if (samePath) return;
  void tick().then(() => {
    window.scrollTo(0, 0);
    // A screen reader continues in the page that was opened.
    document.getElementById('main')?.focus({ preventScroll: true });
  });
}

const SERVER_PATHS = /^\/(api|v1|login|logout|metrics|health|-|assets|pages)(\/|$)/;

function followLink(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest('a');
  if (!link || link.target || link.hasAttribute('download') || !link.getAttribute('href')) return;
  const url = new URL(link.href, window.location.href);
  if (url.origin !== window.location.origin || SERVER_PATHS.test(url.pathname)) return;
  if (url.hash && url.pathname === here.path && url.search === here.search) return;
  event.preventDefault();
  navigate(url.pathname + url.search + url.hash);
}

export function startRouter(): void {
  window.addEventListener('popstate', read);
  document.addEventListener('click', followLink);
}

/** A link that may come from data: another site's only with http or https, else none. */
export function safeHref(text: string | null | undefined): string | null {
  if (!text) return null;
  if (text.startsWith('/') && !text.startsWith('//') && !text.startsWith('/\\')) return text;
  try {
    const url = new URL(text);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}
