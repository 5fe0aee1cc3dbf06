import { parseArgs } from 'node:util'
import { bundle } from './bundle.ts'
import { Lane } from './lane.ts'
import { mutations } from './mutations.ts'
import { runSeed } from './run-seed.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '50' },
    from: { type: 'string', default: '1' },
    items: { type: 'string', default: '12' },
    verbose: { type: 'boolean', default: false },
    mutation: { type: 'string' },
  },
})
const code = await bundle(values.mutation === undefined ? undefined : mutations[Number(values.mutation)])
const lane = await Lane.open(1)
await lane.deploy(code)
for (let seed = Number(values.from); seed < Number(values.from) + Number(values.seeds); seed += 1) {
  const result = await runSeed(lane, seed, Number(values.items))
  const { workflow, deliveries, deaths, ms, violations } = result
  console.log(`seed ${seed} ${workflow} ${deliveries} deliveries, ${deaths} deaths, ${ms} ms`, violations.length ? violations : 'ok')
  if (violations.length > 0 && values.mutation !== undefined) break
  if (violations.length > 0 && values.verbose) console.log(result.trace.slice(-60).join('\n'))
}
await lane.close()
process.exit()
