/** Compiler settings. */
import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

export default {
  preprocess: vitePreprocess(),
  compilerOptions: {
    runes: true,
    // Builds the DOM node by node: innerHTML is refused by require-trusted-types-for 'script'.
    fragments: 'tree',
  },
};
