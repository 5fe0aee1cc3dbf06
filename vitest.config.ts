import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig, type TestProjectConfiguration } from 'vitest/config'

/** Modules and layers, inside workerd, with the real SDK; the test takes the local QStash's deliveries. */
const insideWorkerd = (name: string, include: string): TestProjectConfiguration => ({
  plugins: [
    cloudflareTest(({ inject }) => ({
      main: './src/index.ts',
      wrangler: { configPath: './wrangler.jsonc' },
      miniflare: { bindings: inject('bindings') },
    })),
  ],
  test: {
    name,
    include: [include],
    globalSetup: ['test/support/stack.setup.ts'],
    // They share one database.
    fileParallelism: false,
    testTimeout: 30_000,
  },
})

export default defineConfig({
  test: {
    silent: 'passed-only',
    projects: [
      insideWorkerd('engine', 'test/engine/**/*.test.ts'),
      insideWorkerd('http', 'test/{http,workflows}/**/*.test.ts'),
      {
        // The local services, the project's own rules, and the built Worker from outside.
        test: {
          name: 'node',
          include: ['test/{local,e2e,project}/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
    ],
    coverage: {
      provider: 'istanbul',
      include: ['src/**/*.ts'],
      reporter: [['text', { skipFull: true }], 'json-summary', 'json'],
      thresholds: { 'src/engine/**': { branches: 95 } },
    },
  },
})
