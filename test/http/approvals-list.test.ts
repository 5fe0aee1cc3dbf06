import { beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { approvals } from '../../src/db/schema.ts'
import { resetEverything, rounds } from '../support/rounds.ts'

beforeEach(resetEverything)

test('approvals are listed oldest first, page by page, and by workflow', async () => {
  const app = rounds()
  const about = { workflow: 'agent-review', itemId: 'a', event: 'decision', subject: 'A', details: {} }
  const row = (n: number) => ({
    ...about,
    id: `z${9 - n}`,
    createdAt: new Date(Date.UTC(2026, 0, n)),
    expiresAt: new Date(Date.UTC(2026, 1, n)),
  })
  await app.services.db.insert(approvals).values([row(3), row(1), row(2)])
  const ids = z.object({ data: z.array(z.object({ id: z.string() })), nextCursor: z.string().nullable() })
  const page = async (query: string) =>
    ids.parse((await app.call('GET', `/api/admin/approvals${query}`)).body)
  const one = await page('?limit=2')
  expect(one.data.map(({ id }) => id)).toEqual(['z8', 'z7'])
  expect((await page(`?limit=2&cursor=${one.nextCursor}`)).data.map(({ id }) => id)).toEqual(['z6'])
  expect((await page('?workflow=other')).data).toEqual([])
})
