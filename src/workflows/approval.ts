import { and, eq } from 'drizzle-orm'
import ms from 'ms'
import { z } from 'zod'
import type { Db } from '../db/client.ts'
import { approvals } from '../db/schema.ts'
import type { Duration, ItemTools, Json } from './contract.ts'

/** What a person is asked about an item, and how long they may take. */
type Question = { workflow: string; itemId: string; subject: string; details: Json; patience: Duration }

export type Decision = 'approved' | 'rejected' | 'expired'

/**
 * Asks a person, by `POST /api/admin/approvals/:id`, and waits for the decision. The row decides, not the event that
 * wakes the item: from then on nobody can decide otherwise. When the item fails or is cancelled, nobody is asked any more.
 *
 * @param name of the step that asks; the wait and the step that reads the decision are called after it.
 */
export async function approval(
  { step, waitForEvent, compensate }: Pick<ItemTools, 'step' | 'waitForEvent' | 'compensate'>,
  name: string,
  { patience, ...asked }: Question,
): Promise<Decision> {
  const event = `${name}.decision`
  compensate(name, async ({ db, stepKey }) => void (await expire(db, stepKey)))
  const id = await step(name, async ({ db, key }) => {
    const expiresAt = new Date(Date.now() + ms(patience))
    await db
      .insert(approvals)
      .values({ id: key, event, expiresAt, ...asked })
      .onConflictDoNothing()
    return key
  })
  await waitForEvent(event, { data: z.json(), timeout: patience })
  return await step(`${name}.settle`, async ({ db }): Promise<Decision> => {
    await expire(db, id)
    const [found] = await db.select({ status: approvals.status }).from(approvals).where(eq(approvals.id, id))
    return found === undefined || found.status === 'pending' ? 'expired' : found.status
  })
}

const expire = (db: Db, id: string) =>
  db
    .update(approvals)
    .set({ status: 'expired', decidedAt: new Date() })
    .where(and(eq(approvals.id, id), eq(approvals.status, 'pending')))
