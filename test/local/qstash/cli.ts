import { parseArgs } from 'node:util'
import { startQstash } from './index.ts'

const USAGE = `Local QStash: an in-memory stand-in for Upstash QStash and Workflow.

Usage: npm run qstash -- [options]

  --port <n>         port to listen on (default 8080, 0 for any free one)
  --time-scale <x>   factor on every delay and period: 0.01 makes 10 s take 100 ms (default 1)
  --help             show this text
`

function fail(message: string, code = 1): never {
  console.error(`qstash: ${message}`)
  process.exit(code)
}

function numberOption(name: string, text: string, isValid: (value: number) => boolean): number {
  const value = Number(text)
  if (text.trim() === '' || !isValid(value)) fail(`--${name} has no valid value: "${text}" (see --help)`, 2)
  return value
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: '8080' },
        'time-scale': { type: 'string', default: '1' },
        help: { type: 'boolean', default: false },
      },
    })
    return values
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : String(error)} (see --help)`, 2)
  }
}

const options = readOptions()
if (options.help) {
  console.log(USAGE)
  process.exit(0)
}

const port = numberOption(
  'port',
  options.port,
  (value) => Number.isInteger(value) && value >= 0 && value < 65_536,
)
const timeScale = numberOption('time-scale', options['time-scale'], (value) => value > 0 && value < Infinity)

const qstash = await startQstash({ port, timeScale }).catch((error: NodeJS.ErrnoException) =>
  fail(error.code === 'EADDRINUSE' ? `port ${port} is in use; choose another with --port` : error.message),
)

console.log(`Local QStash is listening on ${qstash.url}. Point the Worker at it with

QSTASH_URL=${qstash.url}
QSTASH_TOKEN=${qstash.token}
QSTASH_CURRENT_SIGNING_KEY=${qstash.currentSigningKey}
QSTASH_NEXT_SIGNING_KEY=${qstash.nextSigningKey}
`)

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    qstash.close().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  })
}
