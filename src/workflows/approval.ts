import { and, eq, gt, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Db } from '../db/client.ts'
import { approvals } from '../db/schema.ts'
import type { Duration, ItemTools, Json } from './contract.ts'
import { secondsOf } from './duration.ts'
import { checkName } from './step-name.ts'

/** What a person is asked about an item, and how long they may take. */
type Question = { subject: string; details: Json; patience: Duration }

export type Decision = 'approved' | 'rejected' | 'expired'

/**
 * Asks a person, by `POST /api/admin/approvals/:id`, and waits for the decision. The row decides, not the event that
 * wakes the item: one that no decision stands behind is passed over, and once the time is over nobody can decide any more.
 * When the item fails or is cancelled, nobody is asked any more.
 *
 * @param name of the step that asks; the waits and the steps that read the decision are called after it.
 */
export async function approval(
  { step, waitForEvent, compensate }: Pick<ItemTools, 'step' | 'waitForEvent' | 'compensate'>,
  name: string,
  { subject, details, patience }: Question,
): Promise<Decision> {
  const nth = (what: string, turn: number) => `${name}.${what}${turn === 1 ? '' : `.${turn}`}`
  checkName(nth('decision', 10))
  compensate(name, async ({ db, stepKey }) => void (await expire(db, stepKey)))
  const id = await step(name, async ({ db, key, item }) => {
    const expiresAt = new Date(Date.now() + secondsOf(patience) * 1000)
    await db
      .insert(approvals)
      .values({
        id: key,
        workflow: item.workflow,
        itemId: item.id,
        event: nth('decision', 1),
        expiresAt,
        subject,
        details: sql`${JSON.stringify(details)}::jsonb`,
      })
      .onConflictDoNothing()
    return key
  })
  let left = patience
  for (let turn = 1; ; turn += 1) {
    const settling = nth('settle', turn)
    const isTold = await waitForEvent(nth('decision', turn), {
      data: z.json().transform(() => true),
      timeout: left,
      answerTo: name,
    })
    // Nothing is to be undone of it, but whoever is asked anew is to be heard anew.
    compensate(settling, () => Promise.resolve())
    const settled = await step(settling, ({ db }) =>
      settle(db, id, isTold === null ? null : nth('decision', turn + 1)),
    )
    if (settled.status !== 'pending') return settled.status
    left = `${settled.leftMs} ms`
  }
}

type Settled = { status: Decision } | { status: 'pending'; leftMs: number }

const pending = (id: string) => and(eq(approvals.id, id), eq(approvals.status, 'pending'))
const msLeft = sql<number>`ceil(extract(epoch from ${approvals.expiresAt} - now()) * 1000)::float`

/**
 * What was decided. While nothing is, and there is time left, the decision is to be given as the event `next`; null: the
 * time is over.
 */
async function settle(db: Db, id: string, next: string | null): Promise<Settled> {
  if (next !== null) {
    const [awaited] = await db
      .update(approvals)
      .set({ event: next })
      .where(and(pending(id), gt(approvals.expiresAt, sql`now()`)))
      .returning({ leftMs: msLeft })
    if (awaited !== undefined) return { status: 'pending', ...awaited }
  }
  await expire(db, id)
  const [found] = await db.select({ status: approvals.status }).from(approvals).where(eq(approvals.id, id))
  return { status: found === undefined || found.status === 'pending' ? 'expired' : found.status }
}

const expire = (db: Db, id: string) =>
  db.update(approvals).set({ status: 'expired', decidedAt: new Date() }).where(pending(id))
