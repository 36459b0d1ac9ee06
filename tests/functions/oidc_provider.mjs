// A provider of OpenID Connect for the tests: the real one from npm, with a few people and one application.
// Started with one argument, JSON: {redirectUri, accounts: {login: claims}, claimsInToken}. Says its address in one line.
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const { redirectUri, accounts, claimsInToken } = JSON.parse(process.argv[2]);
console.warn = () => {};
console.info = () => {};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{
      client_id: 'the hub',
      client_secret: 'a secret: with + and %',
      redirect_uris: [redirectUri],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    }],
    claims: { openid: ['sub'], email: ['email'], profile: ['name', 'preferred_username', 'groups'] },
    conformIdTokenClaims: !claimsInToken,
    cookies: { keys: ['of the tests'] },
    pkce: { required: () => true },
    findAccount: (_, id) => accounts[id] && ({ accountId: id, claims: () => ({ sub: id, ...accounts[id] }) }),
    ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600, AuthorizationCode: 60 },
  });
  provider.on('server_error', (_, error) => process.stderr.write(`${error.stack}\n`));
  server.on('request', provider.callback());
  process.stdout.write(`${issuer}\n`);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0)); // whoever started it is gone
