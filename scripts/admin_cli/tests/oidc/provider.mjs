// A certified OpenID Connect provider on loopback: device flow, refresh tokens, JWT access tokens, revocation.
// Prints its port; ends with its standard input.
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const packages = createRequire(`${process.argv[2]}/`)
const { default: Provider } = await import(pathToFileURL(packages.resolve('oidc-provider')))

const server = createServer()
await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
const port = server.address().port

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: 'cj-admin',
      token_endpoint_auth_method: 'none',
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
      response_types: [],
      redirect_uris: [],
    },
  ],
  scopes: ['openid', 'offline_access'],
  ttl: { AccessToken: 3600, DeviceCode: 600, Grant: 3600, RefreshToken: 3600, Session: 3600, Interaction: 600 },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  extraTokenClaims: () => ({ roles: ['admin'], org: 'school-1' }),
  cookies: { keys: ['a key of these tests alone'] },
  features: {
    deviceFlow: { enabled: true },
    revocation: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        scope: '',
        audience: 'huleedu-platform',
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
})
server.on('request', provider.callback())
console.log(port)
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
