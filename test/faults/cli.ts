import { parseArgs } from 'node:util'
import { countOption } from '../local/cli/options.ts'
import { runProgram, UsageError } from '../local/cli/program.ts'
import type { Order } from './lane-process.ts'
import { Lanes } from './lanes.ts'
import { mutations } from './mutations.ts'
import type { SeedResult } from './run-seed.ts'

const usage = `Runs batches while everything goes wrong that may, as seeds have it, and looks whether the promises hold.

Usage: npm run faults -- [options]

  --seeds N        how many seeds (default 50)
  --from S         the first of them (default 1)
  --items K        items of each batch (default 12)
  --kills N        times that each seed's Worker is killed with SIGKILL, beside what the seed has in store (default 0)
  --lanes N        how many at a time (default 2)
  --mutations      instead: breaks each promise on purpose, and looks whether one of the seeds shows it
  --trace          with what led to each violation
  --json           one JSON object on stdout
  --help           show this text

LOCAL_POSTGRES_URL and LOCAL_REDIS_URL choose real servers instead of the embedded ones.`

type Options = { seeds: number; from: number; items: number; kills: number; trace: boolean }

const ordersOf = ({ seeds, from, items, kills }: Options, mutation: string | null) =>
  Array.from({ length: seeds }, (_, index) => ({ seed: from + index, items, kills, mutation }))

async function main(signal: AbortSignal): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '50' },
      from: { type: 'string', default: '1' },
      items: { type: 'string', default: '12' },
      kills: { type: 'string', default: '0' },
      lanes: { type: 'string', default: '2' },
      mutations: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) {
    console.log(usage)
    return 0
  }
  const [seeds, from, items, kills, count] = (['seeds', 'from', 'items', 'kills', 'lanes'] as const).map(
    (name) => countOption(name, values[name]),
  )
  if (!seeds || !items || !count || from === undefined || kills === undefined) {
    throw new UsageError('there is nothing to do')
  }
  const options = { seeds, from, items, kills, trace: values.trace }
  const lanes = await Lanes.open(count)
  try {
    const say = values.json ? console.error : console.log
    const { ok, summary } = values.mutations
      ? await mutate(lanes, options, say, signal)
      : await hold(lanes, options, say, signal)
    console.log(values.json ? JSON.stringify(summary) : describe(summary))
    return ok ? 0 : 1
  } finally {
    await lanes.close()
  }
}

type Say = (text: string) => void

/** Every seed, one after the other. */
async function hold(lanes: Lanes, options: Options, say: Say, signal: AbortSignal) {
  const results: SeedResult[] = []
  const orders = ordersOf(options, null)
  const started = Date.now()
  await lanes.run(orders, (result) => {
    results.push(result)
    for (const violation of result.violations) say(`seed ${result.seed} (${result.workflow}): ${violation}`)
    if (result.violations.length > 0 && options.trace)
      say(result.trace.map((event) => `    ${event}`).join('\n'))
    return signal.aborted
  })
  signal.throwIfAborted()
  const failed = results.filter(({ violations }) => violations.length > 0).map(({ seed }) => seed)
  const sum = (of: (result: SeedResult) => number) => results.reduce((total, result) => total + of(result), 0)
  const byWorkflow = Object.groupBy(results, ({ workflow }) => workflow)
  const summary = {
    seeds: results.length,
    from: options.from,
    items: options.items,
    failed,
    deliveries: sum(({ deliveries }) => deliveries),
    deaths: sum(({ deaths }) => deaths),
    seedsByWorkflow: Object.fromEntries(
      Object.entries(byWorkflow).map(([name, of]) => [name, of?.length ?? 0]),
    ),
    seconds: Math.round((Date.now() - started) / 1000),
  }
  return { ok: failed.length === 0, summary }
}

/** Each mutation with the seed that has shown it, and those that it does not show now with every seed. */
async function mutate(lanes: Lanes, options: Options, say: Say, signal: AbortSignal) {
  const caughtBy: Record<string, number | null> = {}
  const attempt = (orders: Order[], isOver: () => boolean = () => false) =>
    lanes.run(orders, ({ seed, violations: [violation] }, { mutation }) => {
      if (mutation !== null && violation !== undefined && caughtBy[mutation] === undefined) {
        caughtBy[mutation] = seed
        say(`${mutation}: seed ${seed}: ${violation.slice(0, 200)}`)
      }
      return signal.aborted || isOver()
    })
  await attempt(
    mutations.flatMap(({ name, shownBy }) => ordersOf({ ...options, from: shownBy, seeds: 1 }, name)),
  )
  for (const { name } of mutations) {
    const isCaught = () => caughtBy[name] !== undefined
    if (!isCaught()) await attempt(ordersOf(options, name), isCaught)
    signal.throwIfAborted()
    if (!isCaught()) say(`${name}: NOT CAUGHT`)
    caughtBy[name] ??= null
  }
  const ok = Object.values(caughtBy).every((seed) => seed !== null)
  return { ok, summary: { mutations: mutations.length, caughtBy } }
}

const describe = (summary: object) =>
  Object.entries(summary)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
    .join('\n')

await runProgram({ usage, main })
