import type { Mutation } from './bundle.ts'

/** Changes that each break a promise. Whatever finds no fault with them is blind. */
export const mutations: readonly Mutation[] = [
  {
    name: 'the claim takes what another delivery has',
    changes: [
      {
        file: 'src/engine/ledger/claim.ts',
        from: "when item.handler is null and item.status = 'running' and item.lease_until > now() then 'busy'",
        to: '',
      },
    ],
  },
  {
    name: 'the claim does not ask whether the batch goes on',
    changes: [
      {
        file: 'src/engine/ledger/claim.ts',
        from: "when not ${isOpen(batch)} or (batch.status = 'completed' and item.claims = 0) then 'closed'",
        to: '',
      },
    ],
  },
  {
    name: 'the claim takes what has ended',
    changes: [
      {
        file: 'src/engine/ledger/claim.ts',
        from: "when item.status not in ${unfinished} then 'finished'",
        to: '',
      },
    ],
  },
  {
    name: 'the save does without the fencing token',
    changes: [
      {
        file: 'src/engine/ledger/end-item.ts',
        from: "sql`i.status = 'running' and i.token = ${item.token}::uuid`",
        to: 'sql`true`',
      },
    ],
  },
  {
    name: 'every step has another idempotency key each time',
    changes: [
      {
        file: 'src/engine/durable/step-key.ts',
        from: 'item.itemId, step, round]',
        to: 'item.itemId, step, round, crypto.randomUUID()]',
      },
    ],
  },
  {
    name: 'a step that is done is done again',
    changes: [
      {
        file: 'src/engine/ledger/item-steps/begin-step.ts',
        from: "          when t.status = 'done' then 'done'\n          when ${hasFailed}",
        to: '          when ${hasFailed}',
      },
      {
        file: 'src/engine/ledger/item-steps/begin-step.ts',
        from: "where t.status in ('failed', 'undone') or",
        to: "where t.status in ('failed', 'undone', 'done') or",
      },
    ],
  },
  {
    name: 'nothing is undone',
    changes: [
      {
        file: 'src/engine/durable/undo.ts',
        from: '[...run.recorded.values()].filter(isToUndo).toReversed()',
        to: '[...run.recorded.values()].filter(() => false)',
      },
    ],
  },
  {
    name: 'what may have been done is not undone',
    changes: [
      {
        file: 'src/engine/durable/replay.ts',
        from: "status === 'done' || status === 'undoing' || (status !== 'undone' && uncertain)",
        to: "status === 'done' || status === 'undoing'",
      },
    ],
  },
  {
    name: 'a page is recorded whatever is outstanding',
    changes: [
      {
        file: 'src/engine/ledger/record-page.ts',
        from: 'where ${roomFor(batch, outstandingOf(batch), pageSize)}',
        to: 'where true',
      },
    ],
  },
  {
    name: 'a lost item is never found',
    changes: [{ file: 'src/engine/heal.ts', from: "if (fate.is === 'gone') judged.gone.push(item)", to: '' }],
  },
  {
    name: 'a cancel leaves what waits in its queue',
    changes: [
      {
        file: 'src/engine/ledger/cancel-batch.ts',
        from: 'dropItems(batchId, { which: sql`true`, heals: false })',
        to: 'dropItems(batchId, { which: sql`false`, heals: false })',
      },
    ],
  },
  {
    name: 'a resume gives nothing a new run',
    changes: [
      {
        file: 'src/engine/resume.ts',
        from: '    await goOn(services, workflow, batchId, resumed.nextPage, by)',
        to: '',
      },
    ],
  },
  {
    name: 'a step begins in a batch that was paused',
    changes: [
      {
        file: 'src/engine/ledger/item-steps/begin-step.ts',
        from: "when not ${isOpen(batch)} then 'closed' when",
        to: 'when',
      },
    ],
  },
]
