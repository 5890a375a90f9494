import { defineConfig } from "vitest/config";

// The page has a strict policy: nothing inline, nothing from elsewhere. So nothing is inlined, and no polyfill is injected.
export default defineConfig({
  base: "/",
  publicDir: false,
  build: {
    target: "es2022",
    outDir: "dist",
    assetsDir: "assets",
    assetsInlineLimit: 0,
    cssCodeSplit: true,
    modulePreload: { polyfill: false },
    rollupOptions: { input: { page: "index.html", reference: "reference.html" } },
  },
  // Ends a hang. A busy machine is slow, and a test is about what comes out, never about how fast.
  test: { testTimeout: 120_000 },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
