import { cloudflareTest } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'
import { lanes } from './test/support/lanes.ts'

export default defineConfig({
  test: {
    silent: 'passed-only',
    projects: [
      {
        // Modules and layers, inside workerd, with the real SDK; the test takes the local QStash's deliveries.
        plugins: [
          cloudflareTest(({ inject }) => ({
            main: './src/index.ts',
            wrangler: { configPath: './wrangler.jsonc' },
            miniflare: { bindings: inject('lanes')[0]?.bindings ?? {} },
          })),
        ],
        test: {
          name: 'worker',
          include: ['test/{engine,http,services,workflows}/**/*.test.ts'],
          globalSetup: ['test/support/lanes.setup.ts'],
          // Each has local services of its own.
          maxWorkers: lanes,
          // Loading the Worker anew takes longer than most files do; nothing of it is kept in a module.
          isolate: false,
          testTimeout: 30_000,
        },
      },
      {
        // The local services, the project's own rules, and the built Worker from outside.
        test: {
          name: 'node',
          // After the others: vitest numbers the files of its first group reliably, and lanes go by that number.
          sequence: { groupOrder: 1 },
          include: ['test/{local,e2e,project}/**/*.test.ts'],
          maxWorkers: lanes,
          // Those of a file that say that they are concurrent.
          maxConcurrency: 20,
          // Importing takes longer than most files do.
          isolate: false,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        // Batches under injected faults, in lanes of its own.
        test: {
          name: 'faults',
          sequence: { groupOrder: 2 },
          include: ['test/faults/**/*.test.ts'],
          testTimeout: 400_000,
          hookTimeout: 120_000,
        },
      },
    ],
    coverage: {
      provider: 'istanbul',
      // What bears the promises; the instrumentation of the rest would cost more than it shows.
      include: ['src/engine/**/*.ts'],
      reporter: [['text', { skipFull: true }]],
      thresholds: { branches: 95 },
    },
  },
})
