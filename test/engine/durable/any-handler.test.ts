import { beforeEach, expect, test } from 'vitest'
import { reconcile } from '../../../src/engine/reconcile.ts'
import { Chance } from '../../faults/chance.ts'
import type { Fate } from '../../support/deliveries.ts'
import { startOne } from '../../support/durable.ts'
import { userId } from '../../support/population.ts'
import { durableToy } from '../../support/toy.ts'
import { AnyHandler } from './any-handler.ts'
import { oneUser } from './one-user.ts'

beforeEach(oneUser)

const seeds = Array.from({ length: 10 }, (_, n) => n + 1)
const fates: readonly [Fate, ...Fate[]] = ['twice', 'twice', 'unanswered', 'lost']
const acts = [
  'pause',
  'pause',
  'killSwitch',
  'killSwitch',
  'cancel',
  'nothing',
  'nothing',
  'nothing',
] as const

/** Runs any handler while operators interfere and deliveries go wrong, to its end, and retries it a few times. */
async function anyRun(seed: number) {
  const chance = new Chance(seed)
  const handler = new AnyHandler(chance)
  const workflow = durableToy(handler.run)
  const one = await startOne(workflow, userId(1))
  const share = chance.oneOf('faults', [0, 0.2, 0.3])
  const fate = () => (chance.happens('fault', share) ? chance.oneOf('fate', fates) : 'normal')
  const turn = (on: boolean) => one.call('PUT', '/api/admin/kill-switches/toy', { on })
  const held = async (hold: () => Promise<unknown>, release: () => Promise<unknown>) => {
    await hold()
    await one.run({ fate, longestSkipMs: 60_000 })
    await release()
    await one.act('resume')
  }
  const interfere = async () => {
    const act = chance.oneOf('act', acts)
    handler.log.push(`[${act}]`)
    if (act === 'pause')
      await held(
        () => one.act('pause'),
        () => Promise.resolve(),
      )
    if (act === 'killSwitch')
      await held(
        () => turn(true),
        () => turn(false),
      )
    if (act === 'cancel') await one.act('cancel')
  }
  const hasEnded = async () => !['queued', 'running', 'waiting'].includes((await one.item()).status)
  const end = async () => {
    await one.run({ fate })
    for (let ticks = 0; ticks < 6 && !(await hasEnded()); ticks += 1) {
      if ((await one.now()).status === 'paused') await one.act('resume')
      await reconcile(one.services, [workflow], { graceSeconds: 0 })
      await one.run()
    }
  }

  for (let n = 0; n < 3; n += 1) {
    const until = handler.log.length + chance.between('moment', 0, 4)
    await one.run({
      fate,
      until: () => handler.log.length > until,
      concurrency: chance.oneOf('lanes', [1, 4]),
    })
    await interfere()
  }
  await end()
  for (let left = chance.between('retries', 0, 2); left > 0; left -= 1) {
    if ((await one.item()).status !== 'failed') break
    handler.log.push('[retry]')
    await one.act('retry', { all: true, confirm: true })
    await end()
  }
  return { handler, item: await one.item(), counts: (await one.now()).counts }
}

test.each(seeds)(
  'whatever a handler does and whatever goes wrong, charges and refunds fit to its end (seed %i)',
  async (seed) => {
    const { handler, item, counts } = await anyRun(seed)
    const { log, late, effects, outcomes } = handler
    const story = log.join(', ')
    expect(['succeeded', 'failed', 'cancelled'], story).toContain(item.status)
    expect(counts).toMatchObject({ queued: 0, running: 0, waiting: 0, retrying: 0, [item.status]: 1 })
    expect(late, story).toEqual([])
    expect(
      effects.filter(({ refunds }) => refunds > 1).map(({ name }) => name),
      story,
    ).toEqual([])
    const standing = effects.filter(({ isCharged, refunds }) => isCharged && refunds === 0)
    const wanted =
      item.status === 'succeeded' ? [...outcomes].filter(([, ok]) => ok).map(([name]) => name) : []
    const names = standing.map(({ name }) => name).toSorted()
    if (item.error?.name !== 'UndoFailed') expect(names, story).toEqual(wanted.toSorted())
  },
)
