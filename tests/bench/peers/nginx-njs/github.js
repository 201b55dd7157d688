// Verifies deliveries of GitHub, and answers them.

import crypto from 'crypto';

// As long for every two texts of one length: njs has no comparison of its own that is.
function isEqual(one, other) {
    if (one.length !== other.length) {
        return false;
    }
    let difference = 0;
    for (let at = 0; at < one.length; at++) {
        difference |= one.charCodeAt(at) ^ other.charCodeAt(at);
    }
    return difference === 0;
}

function receive(r) {
    if (r.method !== 'POST') {
        r.return(405);
        return;
    }
    const signature = r.headersIn['X-Hub-Signature-256'] || '';
    // The bytes as they were sent; `requestBuffer` is undefined when there is no body.
    const body = r.requestBuffer || '';
    const expected = 'sha256=' + crypto.createHmac('sha256', process.env.GITHUB_SECRET).update(body).digest('hex');
    r.return(isEqual(expected, signature) ? 200 : 401);
}

export default { receive };
