import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { Chance } from './chance.ts'
import { Courier } from './deliver.ts'
import { judge } from './judge.ts'
import { calm, type Lane } from './lane.ts'
import { batchRows, clear } from './ledger.ts'
import { Operators } from './operators.ts'
import { recover } from './recover.ts'
import { scenarios, type Scenario } from './scenarios.ts'
import { storm, type Storm } from './storm.ts'
import { Witness } from './witness.ts'

/** What became of a seed. */
export type SeedResult = {
  seed: number
  workflow: string
  violations: string[]
  /** The latest events before the end. */
  trace: string[]
  deliveries: number
  deaths: number
  ms: number
}

const minute = 60_000
const day = 86_400_000
const keptEvents = 100

type Parts = {
  lane: Lane
  /** The build that comes next. */
  next: () => Promise<string>
  seed: number
  chance: Chance
  scenario: Scenario
  bad: Storm
  witness: Witness
  note: (event: string) => void
}

/**
 * Runs one seed in a lane that is free: everything goes wrong, then nothing any more, and then all must be well.
 *
 * @param kills times that the Worker is killed beside what the seed has in store.
 */
export async function runSeed(
  { lane, next }: Pick<Parts, 'lane' | 'next'>,
  { seed, items, kills }: { seed: number; items: number; kills: number },
): Promise<SeedResult> {
  const started = Date.now()
  const chance = new Chance(seed)
  const trace: string[] = []
  const note = (event: string) => void trace.push(event)
  const scenario = chance.oneOf('scenario', scenarios)
  const bad = storm(chance, note)
  const courier = new Courier(lane, {
    concurrency: chance.between('concurrency', 1, 6),
    fate: bad.fate,
    note,
    patienceMs: bad.patienceMs,
    longestSkipMs: scenario.sleeps ? 60 * day : day,
  })
  const parts = { lane, next, seed, chance, scenario, bad, witness: new Witness(), note }
  const violations = await weather(parts, courier, items, kills).catch((error: unknown) => [
    `the harness fell over: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
  ])
  const { count: deliveries, deaths } = courier
  return {
    seed,
    workflow: scenario.workflow,
    violations,
    trace: trace.slice(-keptEvents),
    deliveries,
    deaths,
    ms: Date.now() - started,
  }
}

async function weather(parts: Parts, courier: Courier, items: number, kills: number): Promise<string[]> {
  const { lane, chance, scenario, bad, note } = parts
  const ids = await populate(parts, items)
  const operators = new Operators({
    lane,
    chance,
    workflow: scenario.workflow,
    items: ids,
    deliveries: bad.isMild ? 0 : items * scenario.deliveries,
    note,
    revive: () => courier.revive(),
    deploy: async () => courier.revive(await parts.next()),
  })
  const outstanding: string[] = []
  const length = items * scenario.deliveries
  const deaths = new Set(
    Array.from({ length: kills }, (_, kill) => Math.ceil((length * (kill + 1)) / (kills + 1))),
  )
  courier.after = async (count) => {
    if (deaths.has(count)) await courier.die()
    await operators.actAfter(count)
    if (count % 7 === 0 && !scenario.sleeps && !operators.hasLowered)
      outstanding.push(...(await tooMany(lane)))
  }
  listen(parts, courier, operators)
  if (!(await start(parts))) return ['a batch could not be started']
  await courier.run()
  bad.end()
  note('the storm is over')
  const settled = async () => [
    ...(await recover({ lane, courier, operators })),
    ...(await judge(lane, scenario, parts.witness, bad.isMild && kills === 0)),
  ]
  const violations = await settled()
  // What has failed is tried again, when nothing is wrong any more.
  if (violations.length === 0 && (await operators.retryAll())) violations.push(...(await settled()))
  await operators.check()
  return [...violations, ...outstanding, ...operators.violations]
}

async function populate({ lane, scenario, chance }: Parts, items: number): Promise<string[]> {
  const { db, stack } = lane
  lane.listener = calm
  await clear(db)
  await stack.redis.reset()
  for (const service of [stack.model, stack.mail, stack.payments, lane.qstash]) service.reset()
  await scenario.populate(db, items, chance)
  const { rows } = await db.query(`select id from ${scenario.table} order by id`)
  return rows.map((row) => z.object({ id: z.string() }).parse(row).id)
}

function listen({ lane, bad, witness, note }: Parts, courier: Courier, operators: Operators): void {
  lane.listener = {
    before: () => operators.actAmid(),
    decide(passage) {
      const passing = bad.passing(passage)
      // Whoever waits for an answer that never comes is killed in the end.
      if (passing === 'hung') void sleep(25).then(() => courier.revive())
      return passing
    },
    seen: (answered) => witness.see(answered, lane.now()),
    async thaw() {
      const frozen = lane.now()
      // By then, whoever waits for it has lost its lease.
      for (let waited = 0; waited < 200 && lane.now() - frozen < 2 * minute; waited += 1) await sleep(10)
      note('an answer thaws')
    },
  }
}

/** A start is asked for until it is answered, perhaps by two at once. */
async function start({ lane, seed, chance, scenario, bad, note }: Parts): Promise<boolean> {
  const path = `/workflows/${scenario.workflow}/batches`
  const hasBudget = scenario.workflow === 'agent-welcome' && chance.happens('budget', 0.3)
  const body = {
    maxOutstanding: chance.between('bound', 2, hasBudget ? 4 : 30),
    ...(hasBudget && { budget: { tokens: chance.between('budget tokens', 1000, 8000) } }),
    ...(chance.happens('canary', 0.2) && { canary: { items: 2, minSuccessRate: 0.5 } }),
    reason: 'faults',
  }
  for (let turn = 0; turn < 20; turn += 1) {
    const racing = Array.from({ length: chance.happens('race', 0.3) ? 2 : 1 }, () =>
      lane.ask('POST', path, body, { 'idempotency-key': `seed-${seed}` }),
    )
    const statuses = (await Promise.all(racing)).map((answer) => answer?.status ?? 0)
    note(`start → ${statuses.join(', ')}`)
    if (statuses.some((status) => status === 200 || status === 201)) return true
    if (turn === 10) bad.end()
  }
  return false
}

async function tooMany(lane: Lane): Promise<string[]> {
  const rows = await batchRows(lane.db)
  const crowded = rows
    .filter(({ outstanding, maxOutstanding }) => outstanding > maxOutstanding)
    .map(
      ({ id, outstanding, maxOutstanding }) =>
        `${outstanding} items of ${id} are outstanding, of at most ${maxOutstanding}`,
    )
  const dear = rows
    .filter(({ overshoot, maxOutstanding, itemTokens }) => overshoot > maxOutstanding * itemTokens)
    .map(({ id, overshoot }) => `${id} has spent ${overshoot} tokens more than its budget`)
  return [...crowded, ...dear]
}
