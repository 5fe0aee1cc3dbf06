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
const builds = new Map<string, Promise<string>>()

/** The Worker with a mutation, or the version of it that comes next. */
function build(mutation: string | null, version: 'this' | 'next'): Promise<string> {
  const key = `${mutation} ${version}`
  const { changes } = mutations.find(({ name }) => name === mutation) ?? { changes: [] }
  const built = builds.get(key) ?? bundle(entry, version === 'this' ? changes : [...changes, ...nextVersion])
  builds.set(key, built)
  return built
}

async function run({ mutation, ...order }: Order): Promise<void> {
  await lane.deploy(await build(mutation, 'this'))
  const next = () => build(mutation, 'next')
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
