import type { Mutation } from './bundle.ts'

/** Changes that each break a promise. Whatever finds no fault with them is blind. */
export const mutations: readonly Mutation[] = [
  {
    name: 'the claim takes what another delivery has',
    file: 'src/engine/ledger/claim.ts',
    from: "when item.handler is null and item.status = 'running' and item.lease_until > now() then 'busy'",
    to: '',
  },
  {
    name: 'the claim does not ask whether the batch goes on',
    file: 'src/engine/ledger/claim.ts',
    from: "when not ${isOpen(batch)} or (batch.status = 'completed' and item.claims = 0) then 'closed'",
    to: '',
  },
  {
    name: 'the claim takes what has ended',
    file: 'src/engine/ledger/claim.ts',
    from: "when item.status not in ${unfinished} then 'finished'",
    to: '',
  },
  {
    name: 'the save does without the fencing token',
    file: 'src/engine/ledger/end-item.ts',
    from: "sql`i.status = 'running' and i.token = ${item.token}::uuid`",
    to: 'sql`true`',
  },
  {
    name: 'every step has another idempotency key each time',
    file: 'src/engine/durable/step-key.ts',
    from: 'item.itemId, step, round]',
    to: 'item.itemId, step, round, crypto.randomUUID()]',
  },
  {
    name: 'a step that is done is done again',
    file: 'src/engine/ledger/item-steps/begin-step.ts',
    from: "          when t.status = 'done' then 'done'\n          when t.status = 'failed' and",
    to: "          when t.status = 'failed' and",
  },
  {
    name: 'nothing is undone',
    file: 'src/engine/durable/undo.ts',
    from: '[...run.recorded.values()].filter(isToUndo).toReversed()',
    to: '[...run.recorded.values()].filter(() => false)',
  },
  {
    name: 'what may have been done is not undone',
    file: 'src/engine/durable/replay.ts',
    from: "status === 'done' || status === 'undoing' || (status !== 'undone' && uncertain)",
    to: "status === 'done' || status === 'undoing'",
  },
  {
    name: 'a page is recorded whatever is outstanding',
    file: 'src/engine/ledger/record-page.ts',
    from: 'where ${roomFor(batch, outstandingOf(batch), pageSize)}',
    to: 'where true',
  },
  {
    name: 'a lost item is never found',
    file: 'src/engine/heal.ts',
    from: "if (fate.is === 'gone') judged.gone.push(item)",
    to: '',
  },
  {
    name: 'a cancel leaves what waits in its queue',
    file: 'src/engine/ledger/cancel-batch.ts',
    from: 'dropItems(batchId, { which: sql`true`, heals: false })',
    to: 'dropItems(batchId, { which: sql`false`, heals: false })',
  },
  {
    name: 'a resume gives nothing a new run',
    file: 'src/engine/resume.ts',
    from: "    await goOn(services, workflow, batchId, resumed.nextPage, by)",
    to: '',
  },
  {
    name: 'a start does not look for its key',
    file: 'src/engine/ledger/open-batch.ts',
    from: 'on conflict (start_key) do nothing',
    to: '',
  },
]
