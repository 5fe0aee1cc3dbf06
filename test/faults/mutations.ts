import type { SourceChange } from '../support/bundle.ts'

/** A way to break a promise, and one of the first fifty seeds that shows it. */
export type Mutation = { name: string; shownBy: number; changes: readonly SourceChange[] }

/** Whatever finds no fault with these is blind. */
export const mutations: readonly Mutation[] = [
  {
    name: 'the claim takes what another delivery has',
    shownBy: 1,
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
    shownBy: 6,
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
    shownBy: 28,
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
    shownBy: 48,
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
    shownBy: 3,
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
    shownBy: 3,
    changes: [
      {
        file: 'src/engine/durable/undo.ts',
        from: '[...run.recorded.values()].filter(isToUndo).toReversed()',
        to: '[...run.recorded.values()].filter(() => false)',
      },
    ],
  },
  {
    name: 'a page is recorded whatever is outstanding',
    shownBy: 22,
    changes: [
      {
        file: 'src/engine/ledger/record-page.ts',
        from: 'where ${roomFor(batch, outstandingOf(batch), pageSize)}',
        to: 'where true',
      },
    ],
  },
  {
    name: 'a step begins in a batch that was paused',
    shownBy: 29,
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
    shownBy: 3,
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
    shownBy: 11,
    changes: [
      {
        file: 'src/engine/ledger/end-item.ts',
        from: "sql`i.status = 'running' and i.attempt = ${item.attempt}`",
        to: 'sql`true`',
      },
    ],
  },
  {
    name: 'an end does not count',
    shownBy: 1,
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
    shownBy: 29,
    changes: [
      {
        file: 'src/services/mail.ts',
        from: "'idempotency-key': nextKey()",
        to: "'idempotency-key': crypto.randomUUID()",
      },
    ],
  },
]
