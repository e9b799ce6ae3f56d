//! Keys, signatures and secrets that Python's cryptography 50 (OpenSSL) made, the vectors of the RFCs, and what is
//! refused.

use super::*;
use crate::crypto::hash::Hash;
use crate::crypto::hash::SignatureInput;
use crate::crypto::test::hex;
use crate::crypto::{KeyRole, Parameter};
use crate::kmip::enums::{CryptographicAlgorithm, RecommendedCurve};

const DATA: &[u8] = b"signed data";

struct Sample {
    curve: Curve,
    sec1: &'static str,
    pkcs8: &'static str,
    spki: &'static str,
    compressed: &'static str,
    peer: &'static str,
    agreed: &'static str,
    signatures: &'static [(Hash, &'static str)],
}

#[rustfmt::skip]
const SAMPLES: &[Sample] = &[
        Sample {
            curve: Curve::P224,
            sec1: "3068020101041c5db3631e17d224b50e5824e0556743477cbce2884dc2c0eb5a34792ea00706052b81040021a13c033a0004d0bac0313a08de0aea0f21b1e389c2c4b7d2f5fd6c7b85f1013a9f184639830e0ffd5022ef4e46e7e18b0c4d2aae191df48d49947ebf2801",
            pkcs8: "3078020100301006072a8648ce3d020106052b810400210461305f020101041c5db3631e17d224b50e5824e0556743477cbce2884dc2c0eb5a34792ea13c033a0004d0bac0313a08de0aea0f21b1e389c2c4b7d2f5fd6c7b85f1013a9f184639830e0ffd5022ef4e46e7e18b0c4d2aae191df48d49947ebf2801",
            spki: "304e301006072a8648ce3d020106052b81040021033a0004d0bac0313a08de0aea0f21b1e389c2c4b7d2f5fd6c7b85f1013a9f184639830e0ffd5022ef4e46e7e18b0c4d2aae191df48d49947ebf2801",
            compressed: "03d0bac0313a08de0aea0f21b1e389c2c4b7d2f5fd6c7b85f1013a9f18",
            peer: "304e301006072a8648ce3d020106052b81040021033a0004e7597499ab86eafe03a83759ed6f0338961b95171e1ed6239b6ded77d31ddb1f3fb72c6f98d1935b0ddb4b04efdbdf59f5e88eaa8e6b9681",
            agreed: "aa50b64d833b46861e02a5482984ccd612a130149ae08b5979db322d",
            signatures: &[
                (Hash::Sha1, "303c021c6762b10268f1f1820d862205ac70f76d6c621a312b4fb7b99fcb0da9021c59a91218660490bfa55dad86f86c223894e5ea1860937970cccc8692"),
                (Hash::Sha256, "303d021c5f531cc477af8d867fa73bd2a3af26888b226945fd3e18492494bb58021d00a553b300b764c268fd04f152b6df530480611ddcf0dbc345e10eaf25"),
                (Hash::Sha512, "303c021c05718aeaadd310badf82fac29b8823e8da5e3f14321232c814587df2021c2ee3b68c4a7bfae09d404dd0878c5b8c8d56ab88f4ccf59f6c4f98f6"),
            ],
        },
        Sample {
            curve: Curve::P256,
            sec1: "30770201010420a033502624c606ee1cad4579e5e6aad3570488734337f945f80734688092cb85a00a06082a8648ce3d030107a14403420004c43436015ba9a3ac80aaef47f21051641097bd44e6b4900c388266716ca5b28b074e83354623eed4022cb29fb27fc1522d58794ee4ce0e7d0eda93d0dc258e95",
            pkcs8: "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420a033502624c606ee1cad4579e5e6aad3570488734337f945f80734688092cb85a14403420004c43436015ba9a3ac80aaef47f21051641097bd44e6b4900c388266716ca5b28b074e83354623eed4022cb29fb27fc1522d58794ee4ce0e7d0eda93d0dc258e95",
            spki: "3059301306072a8648ce3d020106082a8648ce3d03010703420004c43436015ba9a3ac80aaef47f21051641097bd44e6b4900c388266716ca5b28b074e83354623eed4022cb29fb27fc1522d58794ee4ce0e7d0eda93d0dc258e95",
            compressed: "03c43436015ba9a3ac80aaef47f21051641097bd44e6b4900c388266716ca5b28b",
            peer: "3059301306072a8648ce3d020106082a8648ce3d03010703420004c1c717d112b646ca0d44ccdc8a2fb8d7ea97d3bfb738884f2cd2bd2fe4e81868637074a310392f6720a4ede9e4a177898eeacad4c60844ddb96158b3e863388d",
            agreed: "69e88e05834c127f8c51ce8d1967f3618a15bb3996b516ce96635ebea0ec474c",
            signatures: &[
                (Hash::Sha1, "3045022053fa8d64b7a77c0ca6283a023a924ff43a2616bec2e6a5c75942e96b1e660214022100a58649c65bcf0a1947778015353d816f48e1d7da1d55f48cd48ec2638a9fb99e"),
                (Hash::Sha256, "3046022100ca7b288362bdaac6a36ae72c74e34c335eb4895094a80708d7e751e1b90f3e68022100c09f32bd0bfc08a1aba5edda133fb2d65e7f2031df04191d7422e828f44100a3"),
                (Hash::Sha512, "304502210081de809360c14e2a7e2c7bc48aa8f3a2c2d88dfc45ee7f5c8c837c7b356e93ff02202d4617e47a9452297fce23297e289bccc52bcff8778b680d146366a53fe68642"),
            ],
        },
        Sample {
            curve: Curve::P384,
            sec1: "3081a402010104306beb078663ea65a9d035326dd51434c2f6ce8c1fb5ba15e40e9854b2a425ed647ca24f1d4cb1b43b940a6ca09b5d92f7a00706052b81040022a1640362000433f5d4186b981e90858dbd3147e6bb9dae18fc3d00a8585b7677228289c5e5dd0796c634c365a0dd0c3968b8d83d84bf2133a3f3c4fb60d65129f673c172c17b9bbdad6efac1f359bd58526faf31741eb00903e15612917a926a00e05a971ed1",
            pkcs8: "3081b6020100301006072a8648ce3d020106052b8104002204819e30819b02010104306beb078663ea65a9d035326dd51434c2f6ce8c1fb5ba15e40e9854b2a425ed647ca24f1d4cb1b43b940a6ca09b5d92f7a1640362000433f5d4186b981e90858dbd3147e6bb9dae18fc3d00a8585b7677228289c5e5dd0796c634c365a0dd0c3968b8d83d84bf2133a3f3c4fb60d65129f673c172c17b9bbdad6efac1f359bd58526faf31741eb00903e15612917a926a00e05a971ed1",
            spki: "3076301006072a8648ce3d020106052b810400220362000433f5d4186b981e90858dbd3147e6bb9dae18fc3d00a8585b7677228289c5e5dd0796c634c365a0dd0c3968b8d83d84bf2133a3f3c4fb60d65129f673c172c17b9bbdad6efac1f359bd58526faf31741eb00903e15612917a926a00e05a971ed1",
            compressed: "0333f5d4186b981e90858dbd3147e6bb9dae18fc3d00a8585b7677228289c5e5dd0796c634c365a0dd0c3968b8d83d84bf",
            peer: "3076301006072a8648ce3d020106052b8104002203620004051964576cbc8ef2bac1d5f68eda70e16e18608c4c024cfc95a4266abdd87a7e36313386dcf8941a63842220ab0462133e9fb452e6695b6f3486ef150de2662e31ad5f2c1e00273cb1e7de298e8029c3f8c0a72c9cffc69b11e6b3eca8e24683",
            agreed: "4916944270c417c4b64458c3df3a1b66685c5924a242e417e4ea53354c671027c62b53bedf4ac8563dc25f34db0ea902",
            signatures: &[
                (Hash::Sha1, "3065023100af2285645c0e398ce69c7f1e36867bf266cf35c2e58dfb2918fa65777c94b34f23a4527f4d23d9decb3dff036f1d8ab50230198c5db735957ce16bbae807962c8635c07949f2a3e5f908897de94015927c1916d356a5ff7c50341ee52a31aa00d2f2"),
                (Hash::Sha256, "306602310081b1a7fe750bda4c3ebc387e350efc305fdfc971e19a01c5d5ebd3473344ed8580255da5a01a25f0e677773b2690a5c1023100fcc85dcb9a7f3cbb2c8fe40102704468f0e99d673e4f795f50bdbd06432358f932b9d153f6763f2cdb8efe7c407ae9e3"),
                (Hash::Sha512, "3065023100a27cef1598056b86370cebc3d5cd29bac6b2cfba4437230c64df036d089c19d17bf93138d469d7ea11b4f48585b573700230644531b0b5ba6bfd4bf8f7f7ac48e27c08f4939ec70ff05787eb900aaed9421878a36d7ef677e3e12a00a814c63f9243"),
            ],
        },
        Sample {
            curve: Curve::P521,
            sec1: "3081dc020101044201a192292139bf6e8de4de40b1c085db389a4804903da2ea9ca86697f9755f09703ada820382f0ed74ff788a592959f7ce2b3bec1862f033f94322b759701de98d4ea00706052b81040023a181890381860004015ef1cc19ecef1a09054b4027dfc353a16eff8861960de0833500b397dbaddd8be9f5df6795caf2c2ba666eca90e8a8a6cc10bae818ec759afffd3ac95d875cbe2401f2aef568aa73c98f47f11aeccca2e5874af59fca39a15095170e28f92c47713df432ce6de5bbc1505c10c8c38c7b8fbe5eba0a32aae1468139b70d251fba7281f8",
            pkcs8: "3081ee020100301006072a8648ce3d020106052b810400230481d63081d3020101044201a192292139bf6e8de4de40b1c085db389a4804903da2ea9ca86697f9755f09703ada820382f0ed74ff788a592959f7ce2b3bec1862f033f94322b759701de98d4ea181890381860004015ef1cc19ecef1a09054b4027dfc353a16eff8861960de0833500b397dbaddd8be9f5df6795caf2c2ba666eca90e8a8a6cc10bae818ec759afffd3ac95d875cbe2401f2aef568aa73c98f47f11aeccca2e5874af59fca39a15095170e28f92c47713df432ce6de5bbc1505c10c8c38c7b8fbe5eba0a32aae1468139b70d251fba7281f8",
            spki: "30819b301006072a8648ce3d020106052b810400230381860004015ef1cc19ecef1a09054b4027dfc353a16eff8861960de0833500b397dbaddd8be9f5df6795caf2c2ba666eca90e8a8a6cc10bae818ec759afffd3ac95d875cbe2401f2aef568aa73c98f47f11aeccca2e5874af59fca39a15095170e28f92c47713df432ce6de5bbc1505c10c8c38c7b8fbe5eba0a32aae1468139b70d251fba7281f8",
            compressed: "02015ef1cc19ecef1a09054b4027dfc353a16eff8861960de0833500b397dbaddd8be9f5df6795caf2c2ba666eca90e8a8a6cc10bae818ec759afffd3ac95d875cbe24",
            peer: "30819b301006072a8648ce3d020106052b81040023038186000401d636130d6d6640cbc8cf5181aaac4208f210bac39d364687c1cbbd10bea54a8ee5c39784b5e488c6a2dea5cddd0b87fd7d35895713b96c62e150b4b8475dbe4e960175f2e5cecf3e3c76545d6bab8051d7a9f5ca5a1b9d1ad1e6cdbca06d66aba56ebc9e99af70daeea50c95c5a8630e10044a76b7a2761589f37c2978e6038281d179",
            agreed: "01fa1cc80a633a665f17a13d98bb92f464d31a2cac7eb8da09426d7571dcfabf51a3123387319caa33ff4105d1040bad8d06743934f8c9b31f112951ac8c5cb570b9",
            signatures: &[
                (Hash::Sha1, "308188024200f353f855568d80c3cdd4921d455f52ed754adf2809f048b53df50c2ebbec295324f6af05b5b19f8ece9f0c0809e46b77a46690c1cdcefd5d6232820ab020d9d6ec0242014cf40f54179775463978c673111ea974f44f8ff6d33d969515176753b28002dd32e854855e6eabeae65ec61d393cbf03951c4a32bbfeca0581f109e756b2a92988"),
                (Hash::Sha256, "308188024201cd90be56a4cf8f5f46baba6dc63f8ac58a82650122f70572cc09b832dd32cee8edd8a7ce3b48521259eeeba09d04b8d2a6ab2784afbd81e9aa14c02c21c8a66c36024201e2eb07f1e7751bd86c4ae425d4bf31bd8a1e8b1874713eb1fd87c6ebdc1f9e6551775d88c878ce37ede76f82d8d15ea8b1d07694ef4e9e8a20ce0d39dfee827f48"),
                (Hash::Sha512, "308187024159d020e3902adb8fbe4e7233079127ca4222f1e889a02b85c7b0f717b15df0e0a4b73b242dd47974838b42e44e344b00d429134825664376eb9486dc4900b2f14d024201086df096ce865ddcc19ca15738bdd162b63be5a496bf3be73019f95ede79cd927291b549e24d39053d9061116a6bde456116854689193ce7faf11489cacd989f32"),
            ],
        },
        Sample {
            curve: Curve::Secp256k1,
            sec1: "30740201010420d7e5587a33006db398f3edaf370479a12135f0650c63e91970f6ab973f43f1b9a00706052b8104000aa14403420004c454bd148d202af734eda80ef67cfdefcdbb8fbf54c6d9dbad595dace902021967c538103db7f86dafe79d9ce0b129f3fcc34089286e0c833ec1b8f0ed888d9e",
            pkcs8: "308184020100301006072a8648ce3d020106052b8104000a046d306b0201010420d7e5587a33006db398f3edaf370479a12135f0650c63e91970f6ab973f43f1b9a14403420004c454bd148d202af734eda80ef67cfdefcdbb8fbf54c6d9dbad595dace902021967c538103db7f86dafe79d9ce0b129f3fcc34089286e0c833ec1b8f0ed888d9e",
            spki: "3056301006072a8648ce3d020106052b8104000a03420004c454bd148d202af734eda80ef67cfdefcdbb8fbf54c6d9dbad595dace902021967c538103db7f86dafe79d9ce0b129f3fcc34089286e0c833ec1b8f0ed888d9e",
            compressed: "02c454bd148d202af734eda80ef67cfdefcdbb8fbf54c6d9dbad595dace9020219",
            peer: "3056301006072a8648ce3d020106052b8104000a03420004ff8a27d1dccba4d55aebf285e9f7bab3286095f56152a7a38d8dae9281795821a69d061f8e5b8fb399b4e6a2bb1cea38bcba9de5449065aadc5fe87b69eabfb8",
            agreed: "d9e0deb78ddef1da4f2c87eb7cf36ae2b8cae1c240124e4b828e61d1b1bbb3af",
            signatures: &[
                (Hash::Sha1, "3046022100b70c027b9716e92572e6b57a615e0e8e7112b0a355cd54ce0841f51179bbda72022100a806a2aabac75e7036203349b63a0f3545e0e40a29fa5f741d53ee26be6aab59"),
                (Hash::Sha256, "3045022009002204e2318d5967b32ef856a7efe581fc8d8227a0d47030025fff0377432d022100c76bc5f9b197b5108c0df4f917f1e6e10a8c7efe5d49262b81dad06b3da0d5a1"),
                (Hash::Sha512, "304502205aabe45dfa8dcc0dfd2cabe33f155dba7f41c7444ee3d270444ca7ff1980ba0a022100bb860de0cbce876b01ccbf855e510c242c942456f6b807ea9eff1a89bcf7a65d"),
            ],
        },
];

const ALL: [Curve; 7] =
    [Curve::P224, Curve::P256, Curve::P384, Curve::P521, Curve::Secp256k1, Curve::X25519, Curve::Ed25519];

fn private(digits: &str) -> PrivateKey {
    PrivateKey::read(&hex(digits), Purpose::Sign).unwrap()
}

fn public(digits: &str) -> PublicKey {
    PublicKey::read(&hex(digits), Purpose::Verify).unwrap()
}

#[test]
fn reads_and_writes_every_format_as_openssl_does() {
    for sample in SAMPLES {
        let key = private(sample.sec1);
        assert_eq!(key.curve(), sample.curve);
        assert_eq!(private(sample.pkcs8), key);
        assert_eq!(key.sec1().unwrap().expose(), hex(sample.sec1));
        assert_eq!(key.pkcs8().unwrap().expose(), hex(sample.pkcs8));
        let scalar = key.scalar().expose();
        assert_eq!(scalar.len(), sample.curve.field_bytes());
        assert_eq!(PrivateKey::from_scalar(sample.curve, scalar, Purpose::Convert).as_ref(), Ok(&key));
        let public = public(sample.spki);
        assert_eq!(key.public().as_ref(), Ok(&public));
        assert_eq!(public.spki(false), Ok(hex(sample.spki)));
        assert_eq!(public.compressed_point(), Some(hex(sample.compressed)));
        let point = hex(sample.compressed);
        assert_eq!(PublicKey::from_point(sample.curve, &point, Purpose::Convert).as_ref(), Ok(&public));
        let short = public.spki(true).unwrap();
        assert!(short.len() < hex(sample.spki).len());
        assert_eq!(PublicKey::read(&short, Purpose::Verify), Ok(public));
    }
}

#[test]
fn agrees_on_the_secret_that_openssl_agrees_on() {
    for sample in SAMPLES {
        let secret = agree(&private(sample.sec1), &public(sample.peer)).unwrap();
        assert_eq!(secret.expose(), hex(sample.agreed), "{:?}", sample.curve);
    }
}

#[test]
fn verifies_what_openssl_signed_and_what_it_signs_itself() {
    for sample in SAMPLES {
        let (private, public) = (private(sample.sec1), public(sample.spki));
        for (hash, signature) in sample.signatures {
            let (curve, hash) = (sample.curve, Some(*hash));
            let ours = sign(&private, hash, SignatureInput::Data(DATA)).unwrap();
            for signature in [hex(signature), ours] {
                assert_eq!(
                    verify(&public, hash, SignatureInput::Data(DATA), &signature),
                    Ok(true),
                    "{curve:?} {hash:?}"
                );
                assert_eq!(verify(&public, hash, SignatureInput::Data(b"other"), &signature), Ok(false));
                let digest = hash.unwrap().digest(DATA);
                assert_eq!(verify(&public, hash, SignatureInput::Digest(&digest), &signature), Ok(true));
                assert_eq!(verify(&public, None, SignatureInput::Digest(&digest), &signature), Ok(true));
                let mut changed = signature.clone();
                *changed.last_mut().unwrap() ^= 1;
                assert_eq!(verify(&public, hash, SignatureInput::Data(DATA), &changed), Ok(false));
            }
            assert_eq!(verify(&public, hash, SignatureInput::Data(DATA), b""), Ok(false));
        }
        for hash in Hash::ALL {
            let signature = sign(&private, Some(*hash), SignatureInput::Data(DATA)).unwrap();
            assert_eq!(
                verify(&public, Some(*hash), SignatureInput::Data(DATA), &signature),
                Ok(true),
                "{hash:?}"
            );
        }
        let short = SignatureInput::Digest(&[7; 5]);
        let signature = sign(&private, None, short).unwrap();
        assert_eq!(verify(&public, None, short, &signature), Ok(true));
    }
}

/// RFC 8032 §7.1, the second test.
#[test]
fn ed25519_signs_the_vector_of_its_rfc() {
    let seed = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let key = PrivateKey::from_scalar(Curve::Ed25519, &seed, Purpose::Sign).unwrap();
    let public = key.public().unwrap();
    assert_eq!(public.point(), hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
    let signature = sign(&key, None, SignatureInput::Data(&[0x72])).unwrap();
    let expected = hex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    assert_eq!(signature, expected);
    assert_eq!(verify(&public, None, SignatureInput::Data(&[0x72]), &signature), Ok(true));
    assert_eq!(verify(&public, None, SignatureInput::Data(&[0x73]), &signature), Ok(false));
    let digest = sign(&key, None, SignatureInput::Digest(&[0; 32]));
    assert_eq!(digest, Err(Error::Unexpected(Parameter::DigestedData)));
}

#[test]
fn keys_of_curve25519_have_the_forms_of_rfc_8410() {
    let agreement =
        "302e020100300506032b656e04220420087b6d05b2a22b3ccbdcd033f241cb8a1355a2757d6964fe5517ab28105d7d40";
    let (agreement_public, peer) = (
        "302a300506032b656e032100ff2e8b2f4f4323effcaac99745d6dd09fa97bb408a14264e08808e5d0a845c0c",
        "302a300506032b656e032100361c79fde4e866da75116d29cb57df1b985b602258313dfcb1416e682acd7e46",
    );
    let signing =
        "302e020100300506032b657004220420d61d54ce30b745a87353eaf5fc21656f22d265634412d7c549099df375790db4";
    let signing_public =
        "302a300506032b6570032100c6c5705f6913db027731f841733982ae5f2c21bc0a297ad7bac8c9e3cc691a1a";
    for (pkcs8, spki, curve) in
        [(agreement, agreement_public, Curve::X25519), (signing, signing_public, Curve::Ed25519)]
    {
        let (key, public) = (private(pkcs8), public(spki));
        assert_eq!((key.curve(), public.curve()), (curve, curve));
        assert_eq!(key.pkcs8().unwrap().expose(), hex(pkcs8));
        assert_eq!(key.public().as_ref(), Ok(&public));
        assert_eq!(public.spki(false), Ok(hex(spki)));
        assert_eq!(public.spki(true), Err(Error::Inexpressible));
        assert_eq!(key.sec1(), Err(Error::Inexpressible));
    }
    let secret = agree(&private(agreement), &public(peer)).unwrap();
    assert_eq!(secret.expose(), hex("749d08597fc9afe5a17296576b1b1162660f5f5741879345b076cdca50cff51a"));
    assert!(matches!(agree(&private(signing), &public(peer)), Err(Error::Curve { .. })));
}

#[test]
fn made_keys_are_of_the_curve_and_agree_with_each_other() {
    for curve in ALL {
        let (one, other) = (generate(curve).unwrap(), generate(curve).unwrap());
        assert_ne!(one, other);
        assert_eq!(PrivateKey::read(one.pkcs8().unwrap().expose(), Purpose::Convert).as_ref(), Ok(&one));
        if curve == Curve::Ed25519 {
            continue;
        }
        let here = agree(&one, &other.public().unwrap()).unwrap();
        assert_eq!(here, agree(&other, &one.public().unwrap()).unwrap(), "{curve:?}");
        assert_eq!(here.len(), curve.field_bytes());
    }
    let (one, other) = (generate(Curve::P256).unwrap(), generate(Curve::Secp256k1).unwrap());
    assert!(matches!(agree(&one, &other.public().unwrap()), Err(Error::Curve { .. })));
}

#[test]
fn chooses_the_curve_by_name_length_or_algorithm() {
    use CryptographicAlgorithm::*;
    let choose = |algorithm, named, bits| Curve::choose(algorithm, named, bits, Purpose::CreateKeyPair);
    assert_eq!(choose(Ec, Some(RecommendedCurve::Secp256K1), None), Ok(Curve::Secp256k1));
    assert_eq!(choose(Ecdsa, None, Some(521)), Ok(Curve::P521));
    assert_eq!(choose(Ecdh, None, Some(256)), Ok(Curve::P256));
    assert_eq!(choose(Ecdh, Some(RecommendedCurve::Curve25519), None), Ok(Curve::X25519));
    assert_eq!(choose(Ed25519, None, None), Ok(Curve::Ed25519));
    assert_eq!(choose(Ec, None, None), Err(Error::Missing(Parameter::RecommendedCurve)));
    assert_eq!(choose(Ec, None, Some(257)), Err(Error::KeyLength { algorithm: Ec, bits: 257 }));
    assert!(matches!(choose(Ec, Some(RecommendedCurve::P384), Some(256)), Err(Error::Conflict { .. })));
    let (curve, purpose) = (RecommendedCurve::Sect113R1, Purpose::CreateKeyPair);
    assert_eq!(choose(Ec, Some(curve), None), Err(Error::Curve { curve, purpose }));
    assert_eq!(choose(Aes, None, Some(256)), Err(Error::Algorithm { algorithm: Aes, purpose }));
}

#[test]
fn refuses_numbers_and_points_that_are_no_keys() {
    let role = KeyRole::Private;
    let purpose = Purpose::Convert;
    for curve in ALL.into_iter().filter(|curve| curve.has_points()) {
        let length = curve.field_bytes();
        for scalar in [vec![0; length], vec![0xff; length], vec![1; length + 1], Vec::new()] {
            let refused = PrivateKey::from_scalar(curve, &scalar, purpose);
            assert_eq!(refused, Err(Error::Unreadable { role, purpose }), "{curve:?}");
        }
        let mut point = generate(curve).unwrap().public().unwrap().point().to_vec();
        *point.last_mut().unwrap() ^= 1;
        for point in [point.as_slice(), &[], &[4], &[0]] {
            assert!(PublicKey::from_point(curve, point, purpose).is_err(), "{curve:?}");
        }
    }
    assert!(PrivateKey::from_scalar(Curve::X25519, &[1; 31], purpose).is_err());
    assert!(PublicKey::from_point(Curve::Ed25519, &[1; 33], purpose).is_err());
}

#[test]
fn survives_every_truncation_and_every_changed_byte() {
    for sample in SAMPLES {
        for whole in [hex(sample.sec1), hex(sample.pkcs8), hex(sample.spki)] {
            for at in 0..whole.len() {
                let mut changed = whole.clone();
                changed[at] ^= 0x81;
                for bytes in [&whole[..at], &changed] {
                    let _ = PrivateKey::read(bytes, Purpose::Sign);
                    let _ = PublicKey::read(bytes, Purpose::Verify);
                }
            }
        }
    }
}
