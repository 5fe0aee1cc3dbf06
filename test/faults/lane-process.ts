import { z } from 'zod'
import { bundle } from '../support/bundle.ts'
import { Lane } from './lane.ts'
import { mutations } from './mutations.ts'
import { nextVersion } from './next-version.ts'
import { runSeed, type SeedResult } from './run-seed.ts'

/**
 * One lane in a process of its own: runs the seeds that its parent sends, one after the other, and sends back what became of
 * each. The mutations of the Worker change from seed to seed.
 */

const orderSchema = z.object({
  seed: z.int(),
  items: z.int(),
  kills: z.int(),
  mutation: z.string().nullable(),
})
/** What a lane is asked for. */
export type Order = z.output<typeof orderSchema>
/** What it answers. */
export type Report = { ready: true } | ({ ready: false } & SeedResult)

const entry = 'test/faults/worker-entry.ts'
const lane = await Lane.open(Number(process.argv[2]))
/** The Worker, and the version of it that comes next, by mutation. */
const builds = new Map<string | null, Promise<[current: string, next: string]>>()

function build(name: string | null): Promise<[string, string]> {
  const { changes } = mutations.find((mutation) => mutation.name === name) ?? { changes: [] }
  return Promise.all([bundle(entry, changes), bundle(entry, [...changes, ...nextVersion])])
}

async function run({ mutation, ...order }: Order): Promise<void> {
  const built = builds.get(mutation) ?? build(mutation)
  builds.set(mutation, built)
  const [current, next] = await built
  await lane.deploy(current)
  send({ ready: false, ...(await runSeed({ lane, next }, order)) })
}

function send(report: Report): void {
  process.send?.(report)
}

process.on('message', (order) => {
  run(orderSchema.parse(order)).catch((error: unknown) => {
    console.error(error)
    process.exit(1)
  })
})
process.on('disconnect', () => {
  void lane.close().finally(() => process.exit())
})
send({ ready: true })
