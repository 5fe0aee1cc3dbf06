import { inject } from 'vitest'

function laneOfThisFile() {
  const lane = inject('lanes')[Number(process.env.VITEST_POOL_ID) - 1]
  if (lane === undefined) throw new Error(`no local services for lane ${process.env.VITEST_POOL_ID}`)
  return lane
}

/** The local services that are this file's alone while it runs, and the bindings that point a Worker at them. */
export const lane = laneOfThisFile()
