import { parseArgs } from 'node:util'
import { countOption } from '../local/cli/options.ts'
import { runProgram } from '../local/cli/program.ts'
import { losses, runLoad } from './run-load.ts'

const usage = `Runs a batch in the built Worker with many listeners, then asks for many starts, and says what it came to.

Usage: npm run load -- [options]

  --items N       users of the batch (default 10000)
  --listeners N   who follow it by server-sent events (default 200)
  --starts N      starts that are asked for in a second (default 100)
  --seconds N     for how long (default 10)
  --help          show this text

Prints one JSON object; exits with 1 when anything was lost. LOCAL_POSTGRES_URL and LOCAL_REDIS_URL choose real servers
instead of the embedded ones.`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      items: { type: 'string', default: '10000' },
      listeners: { type: 'string', default: '200' },
      starts: { type: 'string', default: '100' },
      seconds: { type: 'string', default: '10' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) {
    console.log(usage)
    return 0
  }
  const report = await runLoad({
    items: countOption('items', values.items),
    listeners: countOption('listeners', values.listeners),
    startsPerSecond: countOption('starts', values.starts),
    startSeconds: countOption('seconds', values.seconds),
  })
  console.log(JSON.stringify(report, null, 2))
  const lost = losses(report)
  for (const loss of lost) console.error(loss)
  return lost.length === 0 ? 0 : 1
}

await runProgram({ usage, main })
