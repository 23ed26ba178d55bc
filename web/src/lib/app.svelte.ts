/** What the shell knows: who is signed in, what the open page is called, messages, open dialogs. */
import type { Me, Nav } from '../api/types';

export interface Crumb {
  label: string;
  href: string;
}

export interface ToastAction {
  label: string;
  run: () => unknown;
}

export interface Toast {
  text: string;
  isError: boolean;
  id: number;
  /** Offered beside the text: to take back what it tells. */
  action: ToastAction | null;
}

class AppState {
  me = $state<Me | null>(null);
  nav = $state<Nav | null>(null);
  title = $state('');
  crumbs = $state<Crumb[]>([]);
  usesTime = $state(false);
  /** Without a range the page shows all times. */
  isTimeOptional = $state(false);
  dialog = $state<'palette' | 'help' | null>(null);
  isTimeOpen = $state(false);
  isDrawerOpen = $state(false);
  /** Asks anew for the numbers of the navigation, after one of them has changed. */
  renewNav: () => void = () => undefined;
  toast = $state<Toast | null>(null);

  get canEdit(): boolean {
    return this.me?.role === 'editor' || this.me?.role === 'admin';
  }

  get isAdmin(): boolean {
    return this.me?.role === 'admin';
  }
}

export const app = new AppState();

/** Names the page in the top bar and in the browser's title. Call it while a page is set up. */
export function usePage(describe: () => { title: string; crumbs?: Crumb[]; usesTime?: boolean; isTimeOptional?: boolean }): void {
  $effect.pre(() => {
    const { title, crumbs = [], usesTime = false, isTimeOptional = false } = describe();
    app.title = title;
    app.crumbs = crumbs;
    app.usesTime = usesTime;
    app.isTimeOptional = isTimeOptional;
    document.title = `${title} · ResuMatch Monitor`;
  });
}

let toastId = 0;

export function say(text: string, { isError = false, action = null }: { isError?: boolean; action?: ToastAction | null } = {}): void {
  toastId += 1;
  const id = toastId;
  app.toast = { text, isError, id, action };
  setTimeout(() => {
    if (app.toast?.id === id) app.toast = null;
  }, isError || action ? 8_000 : 3_500);
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
