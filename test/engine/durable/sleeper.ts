import type { Handler } from '../../../src/workflows/contract.ts'
import { userId } from '../../support/population.ts'
import { durableToy } from '../../support/toy.ts'

type Toy = Handler<{ tag: string }, { text: string }>

/** Work, a week's sleep, and more work, with an undo of the first. */
export function sleeper(options: Parameters<typeof durableToy>[1] = {}) {
  const acts: string[] = []
  const handler: Toy = async ({ id }, { step, sleep, compensate }) => {
    compensate('before', async () => void acts.push(`undo ${id}`))
    await step('before', async () => void acts.push(`before ${id}`))
    await sleep('rest', '7 days')
    await step('after', async () => void acts.push(`after ${id}`))
    return { text: id }
  }
  return { workflow: durableToy(handler, options), acts }
}

/** An act for each of the first users. */
export const done = (act: string, users: number) =>
  Array.from({ length: users }, (_, index) => `${act} ${userId(index + 1)}`)
