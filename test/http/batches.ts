import type { batches } from '../../src/db/schema.ts'
import type { rounds } from '../support/rounds.ts'
import { addUser } from '../workflows/records.ts'

type Rounds = ReturnType<typeof rounds>

/** Delivers one by one, until the first delivery to a route that ends so was answered. */
export async function deliverThrough(app: Rounds, routeEnd: string): Promise<void> {
  let reached = false
  await app.deliver({
    concurrency: 1,
    fate: ({ url }) => {
      reached = url.endsWith(routeEnd)
      return 'normal'
    },
    until: () => reached,
  })
}

/** A batch of welcome-placeholder over three users that is planned and runs, with nothing of it read yet. */
export async function startedBatch(app: Rounds) {
  for (const id of ['ada', 'bob', 'cleo']) await addUser(app.services.db, id)
  const { id } = await app.start('welcome-placeholder')
  await deliverThrough(app, '/process-users')
  return await app.batch(id)
}

/** The same with its only page recorded: three items are queued. */
export async function queuedBatch(app: Rounds) {
  const { id } = await startedBatch(app)
  await deliverThrough(app, '/paginate-users')
  return await app.batch(id)
}

type BatchRow = typeof batches.$inferInsert

/** The row of a batch that ended long ago; `n` gives its id, and later ones have greater ids. */
export const pastBatch = (n: number, changes: Partial<BatchRow> = {}): BatchRow => ({
  id: `01a00000-0000-7000-8000-${String(n).padStart(12, '0')}`,
  workflow: 'welcome-placeholder',
  scope: '',
  status: 'completed',
  startKey: `past:${n}`,
  startedBy: 'cron',
  params: {},
  force: false,
  maxOutstanding: 1000,
  parallelism: 10,
  rate: 5,
  itemTokens: 0,
  itemUsd: 0,
  ...changes,
})
