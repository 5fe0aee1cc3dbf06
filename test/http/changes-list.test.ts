import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { resetEverything, rounds } from '../support/rounds.ts'
import { runBatch } from '../workflows/runs.ts'
import { startedBatch } from './batches.ts'
import { bearer } from './bearer.ts'
import { listChanges } from './changes.ts'
import { expectError, invalidRequest } from './error-shape.ts'

beforeEach(resetEverything)

describe('the list of changes', () => {
  test.for([1, 3, 7, 8])(
    'comes latest first, by pages of %i, without a gap or a repetition',
    async (limit) => {
      const app = rounds()
      for (let n = 1; n <= 7; n += 1) await bearer(app, `token-${n}`, 'viewer')
      const names: unknown[] = []
      let cursor: string | null = null
      do {
        const query: string = cursor === null ? '' : `&cursor=${cursor}`
        const page = await listChanges(app, `?limit=${limit}${query}`)
        names.push(page.data.map(({ after }) => z.object({ name: z.string() }).parse(after).name))
        cursor = page.nextCursor
        // What happens meanwhile is no part of the pages to come.
        await app.call('PUT', '/api/admin/kill-switches/all', { on: names.length % 2 === 1 })
      } while (cursor !== null)
      expect(names).toHaveLength(Math.ceil(7 / limit))
      expect(names.flat()).toEqual([7, 6, 5, 4, 3, 2, 1].map((n) => `token-${n}`))
    },
  )

  test('can be filtered by batch, workflow and actor, and by all of them', async () => {
    const app = rounds()
    const ada = await bearer(app, 'ada', 'operator')
    const first = await runBatch(app, 'agent-welcome')
    const second = await startedBatch(app)
    await app.call('POST', `/api/admin/batches/${second.id}/pause`, {}, ada)
    await app.call('PUT', '/api/admin/kill-switches/agent-welcome', { on: true }, ada)

    const actions = async (query: string) => (await listChanges(app, query)).data.map(({ action }) => action)
    expect(await actions(`?batchId=${first.id}`)).toEqual(['batch.begin', 'batch.start'])
    expect(await actions(`?batchId=${second.id}`)).toEqual(['batch.pause', 'batch.begin', 'batch.start'])
    expect(await actions('?workflow=agent-welcome')).toEqual(['kill-switch.on', 'batch.begin', 'batch.start'])
    expect(await actions('?actor=ada')).toEqual(['kill-switch.on', 'batch.pause'])
    expect(await actions('?actor=rounds')).toEqual(['batch.begin', 'batch.begin'])
    expect(await actions(`?actor=ada&workflow=welcome-placeholder&batchId=${second.id}`)).toEqual([
      'batch.pause',
    ])
    expect(await actions(`?actor=ada&batchId=${first.id}`)).toEqual([])
    expect(await actions('?actor=nobody')).toEqual([])
  })

  test.for([
    'limit=0',
    'limit=201',
    'cursor=0',
    'cursor=-1',
    'cursor=1.5',
    'cursor=9007199254740993',
    'batchId=7',
    'actors=ada',
    'actor=%00',
  ])('refuses ?%s', async (query) => {
    expectError(await rounds().call('GET', `/api/admin/changes?${query}`), invalidRequest)
  })
})
