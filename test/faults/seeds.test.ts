import { afterAll, beforeAll, expect, test } from 'vitest'
import { Lanes } from './lanes.ts'
import type { SeedResult } from './run-seed.ts'

const seeds = Array.from({ length: 50 }, (_, index) => index + 1)
let lanes: Lanes

beforeAll(async () => {
  lanes = await Lanes.open(2)
})
afterAll(() => lanes.close())

test('whatever goes wrong, the promises hold', async () => {
  const results: SeedResult[] = []
  const orders = seeds.map((seed) => ({ seed, items: 6, kills: 0, mutation: null }))
  await lanes.run(orders, (result) => {
    results.push(result)
    return false
  })
  expect(results.filter(({ violations }) => violations.length > 0)).toEqual([])
  expect(results).toHaveLength(seeds.length)
})
