import type { SourceChange } from '../support/bundle.ts'

/** What may be deployed while batches run: upgrades that begin from then on are not made. */
export const nextVersion: readonly SourceChange[] = [
  {
    file: 'src/workflows/plan-upgrade/definition.ts',
    from: '  run: {\n',
    to: `  run: {
    2: async (_, { step }) => {
      await step('look', async () => null)
      return skip('the next version makes none')
    },
`,
  },
]
