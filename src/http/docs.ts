import { Hono } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import { notFound, unavailable } from '../errors.ts'

/** Static files of `swagger-ui-dist`; wrangler.jsonc has them uploaded beside the Worker. */
type DocsEnv = { Bindings: { ASSETS?: Pick<Fetcher, 'fetch'> } }

/** What the page needs of them; nothing else can be reached. */
const files = new Set(['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'])

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Rounds API</title>
    <link rel="icon" href="/docs/favicon-32x32.png">
    <link rel="stylesheet" href="/docs/swagger-ui.css">
  </head>
  <body>
    <div id="reference"></div>
    <noscript>This page needs JavaScript; <a href="/openapi.json">openapi.json</a> says the same.</noscript>
    <script src="/docs/swagger-ui-bundle.js"></script>
    <script src="/docs/show.js"></script>
  </body>
</html>
`

const script = `SwaggerUIBundle({
  url: '/openapi.json',
  dom_id: '#reference',
  deepLinking: true,
  validatorUrl: null,
})
`

const headers = secureHeaders({
  // Whether the whole host has TLS is not for a page to promise.
  strictTransportSecurity: false,
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", 'data:'],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
})

/** The reference page of `/openapi.json`, at `/docs`. */
export const docsRoutes = () =>
  new Hono<DocsEnv>()
    .use('/docs', headers)
    .use('/docs/*', headers)
    .get('/docs', (c) => c.html(page))
    .get('/docs/show.js', (c) => c.body(script, 200, { 'content-type': 'text/javascript; charset=utf-8' }))
    .get('/docs/:file', async (c) => {
      const file = c.req.param('file')
      if (!files.has(file)) throw notFound(`GET ${c.req.path}`)
      if (c.env.ASSETS === undefined) throw unavailable('the files of this page were not deployed')
      const asset = await c.env.ASSETS.fetch(new Request(new URL(`/${file}`, c.req.url), c.req.raw))
      return new Response(asset.body, asset)
    })
