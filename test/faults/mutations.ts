import type { Mutation } from '../support/bundle.ts'

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
    name: 'a step begins in a batch that was paused',
    changes: [
      {
        file: 'src/engine/ledger/item-steps/begin-step.ts',
        from: "when not ${isOpen(batch)} then 'closed' when",
        to: 'when',
      },
    ],
  },
  {
    name: 'whatever is tried again has another idempotency key',
    changes: [
      {
        file: 'src/engine/ledger/item-steps/begin-step.ts',
        from: "sql`(t.status = 'undone' or (t.status = 'failed' and not t.uncertain))`",
        to: 'sql`true`',
      },
    ],
  },
  {
    name: 'a durable item is saved by whatever attempt',
    changes: [
      {
        file: 'src/engine/ledger/end-item.ts',
        from: "sql`i.status = 'running' and i.attempt = ${item.attempt}`",
        to: 'sql`true`',
      },
    ],
  },
  {
    name: 'a page is recorded although it was',
    changes: [
      {
        file: 'src/engine/ledger/record-page.ts',
        from: ' and pages = ${page - 1}',
        to: '',
      },
    ],
  },
  {
    name: 'an end does not count',
    changes: [
      {
        file: 'src/engine/ledger/settle.ts',
        from: "batch.succeeded + (m.status = 'succeeded')::int as succeeded",
        to: 'batch.succeeded as succeeded',
      },
    ],
  },
  {
    name: 'a mail has no idempotency key',
    changes: [
      {
        file: 'src/services/mail.ts',
        from: "'idempotency-key': nextKey()",
        to: "'idempotency-key': crypto.randomUUID()",
      },
    ],
  },
]
