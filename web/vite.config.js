/** Builds the static bundle into the Python package, where the server finds it. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: '../src/resumatch_monitor/ui/dist',
    emptyOutDir: true,
    target: 'es2022',
    // light-dark() must survive: the palette relies on the browser choosing.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // A data: URL would be refused where the sprite is used.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    // CodeMirror is one lazy chunk of the metrics page and is larger than the warning's limit.
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { '/api': 'http://127.0.0.1:9700', '/login': 'http://127.0.0.1:9700', '/logout': 'http://127.0.0.1:9700' } },
});
