import { z } from 'zod'
import type { Handler } from '../../../src/workflows/contract.ts'
import { startOne } from '../../support/durable.ts'
import { insertUsers, userId } from '../../support/population.ts'
import { resetEverything, rounds } from '../../support/rounds.ts'
import { durableToy } from '../../support/toy.ts'

export type Toy = Handler<{ tag: string }, { text: string }>

/** Before each test: there is one user, and nothing else. */
export async function oneUser(): Promise<void> {
  await resetEverything()
  await insertUsers(rounds([]).services.db, 1)
}

/** Starts the item of that user. */
export const start = (handler: Toy, options: Parameters<typeof durableToy>[1] = {}) =>
  startOne(durableToy(handler, options), userId(1))

/** What the model is asked for, where it does not matter. */
export const anything = {
  schema: z.object({ text: z.string() }),
  instructions: 'Answer {"text": string}.',
  prompt: 'x',
}
