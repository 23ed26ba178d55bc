/** Starts the UI. */
import { mount } from 'svelte';
import App from './App.svelte';
import { startKeys } from './lib/keys.svelte';
import { startRouter } from './lib/router.svelte';
import { theme } from './lib/theme.svelte';
import { clock } from './lib/time.svelte';

// A page's chunk is gone after an upgrade: the new index.html names the new ones. Once, to be no loop.
window.addEventListener('vite:preloadError', (event) => {
  const last = Number(sessionStorage.getItem('reloaded-at') ?? 0);
  if (Date.now() - last < 10_000) return;
  event.preventDefault();
  sessionStorage.setItem('reloaded-at', String(Date.now()));
  location.reload();
});

theme.start();
clock.start();
startRouter();
startKeys();

mount(App, { target: document.getElementById('app')! });
