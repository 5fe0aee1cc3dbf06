import { beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { users } from '../../../src/db/schema.ts'
import { PermanentError } from '../../../src/errors.ts'
import { defineWorkflow } from '../../../src/workflows/contract.ts'
import { inputVersion } from '../../../src/workflows/input-version.ts'
import { userId } from '../../support/population.ts'
import { rounds } from '../../support/rounds.ts'
import { toyWorkflow } from '../../support/toy.ts'
import { oneUser } from './one-user.ts'

beforeEach(oneUser)

test('what was invoked after a step that is undone stands, and the retry has heard of its end', async () => {
  let fails = true
  const toy = toyWorkflow((_, id) => Promise.resolve({ text: `hello ${id}` }), { freshFor: '300 days' })
  const caller = defineWorkflow({
    name: 'caller',
    entity: { one: 'user', many: 'users' },
    params: z.object({ tag: z.string().default('') }),
    scope: ({ tag }) => tag,
    data: z.object({ heard: z.string() }),
    replaySafe: false,
    population: ({ db }) => db.select({ id: users.id, version: inputVersion(users.id) }).from(users),
    run: {
      1: async ({ id, params }, { step, compensate, invoke }) => {
        compensate('reserve', async () => undefined)
        await step('reserve', async () => 'x')
        const heard = await invoke('ask', {
          workflow: {
            name: 'toy',
            params: z.object({ tag: z.string() }),
            data: z.object({ text: z.string() }),
          },
          itemId: id,
          params,
          timeout: '1 day',
        })
        await step('last', async () => {
          if (fails) throw new PermanentError('no')
        })
        return { heard: JSON.stringify(heard) }
      },
    },
  })
  const app = rounds([toy, caller])
  const { id } = await app.start('caller')
  await app.deliver()
  fails = false
  await app.call('POST', `/api/admin/batches/${id}/retry`, { all: true, confirm: true })
  await app.deliver()
  const { rows } = await app.services.db.execute(`select data from results where workflow = 'caller'`)
  expect(rows).toEqual([
    { data: { heard: JSON.stringify({ status: 'succeeded', data: { text: `hello ${userId(1)}` } }) } },
  ])
})
