import { beforeEach, describe, expect, test } from 'vitest'
import { insertUsers } from '../support/population.ts'
import { resetEverything, rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'

beforeEach(resetEverything)

describe('a batch over a population', () => {
  test('works on every item once and completes', async () => {
    const worked: string[] = []
    const app = rounds([
      toyWorkflow(async (_, id) => {
        worked.push(id)
        return { text: `for ${id}` }
      }),
    ])
    await insertUsers(app.services.db, 120)
    const { id } = await app.start('toy')
    await app.deliver()

    const batch = await app.batch(id)
    expect(batch.status).toBe('completed')
    expect(batch.counts).toMatchObject({ recorded: 120, succeeded: 120, failed: 0 })
    expect(new Set(worked).size).toBe(120)
    expect(worked.length).toBe(120)
    expect(batch.pages).toBe(3)
  })
})
