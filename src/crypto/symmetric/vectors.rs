//! Known answers made with PyKMIP 0.11 over Python's cryptography 50 and OpenSSL 4.0.
//!
//! Everywhere the data is [`DATA`], a key of n bytes is [`key`], an IV of n bytes is [`iv`], and what is
//! authenticated beside the data is [`HEADER`].

use crate::kmip::enums::{
    BlockCipherMode::{self, *},
    CryptographicAlgorithm::{self, *},
    PaddingMethod::{self, AnsiX9_23, Pkcs5},
};

pub(super) const DATA: &[u8] = b"twenty bytes of text";

pub(super) const HEADER: &[u8] = b"header";

/// Byte i is 37 i + 11, modulo 256.
pub(super) fn key(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((37 * at + 11) % 256).unwrap()).collect()
}

/// Byte i is 0xf0 + i, modulo 256.
pub(super) fn iv(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((0xf0 + at) % 256).unwrap()).collect()
}

/// Algorithm, key length in bytes, mode, padding, cipher text.
pub(super) const BLOCK: &[(CryptographicAlgorithm, usize, BlockCipherMode, Option<PaddingMethod>, &str)] = &[
    (TripleDes, 8, Ecb, Some(Pkcs5), "aecd422318485109b4b7f3fed34669e2400fddb930edac37"),
    (TripleDes, 8, Cbc, Some(Pkcs5), "593f86b6290a3a00b128185e761945d29285442bec638e54"),
    (TripleDes, 8, Cbc, Some(AnsiX9_23), "593f86b6290a3a00b128185e761945d20b151575cdb3cea9"),
    (TripleDes, 8, Cfb, None, "0f5964302361300fabc2c63f8a1d16af09d79637"),
    (TripleDes, 8, Ofb, None, "0f5964302361300fcf5741287a6411e18ca4c8d8"),
    (TripleDes, 16, Ecb, Some(Pkcs5), "8db1d982f018819e4627eea0cbcfd665dd7c3b5d46a23cfe"),
    (TripleDes, 16, Cbc, Some(Pkcs5), "2feed625c76365baf663625c51e75c7307065e5be14c4e43"),
    (TripleDes, 16, Cbc, Some(AnsiX9_23), "2feed625c76365baf663625c51e75c73d7da9e9996fbfe2b"),
    (TripleDes, 16, Cfb, None, "d5ad2d08c38cf454eaf576012360c37f90b961d3"),
    (TripleDes, 16, Ofb, None, "d5ad2d08c38cf45449bc6c417b3741c4bbb3cef4"),
    (TripleDes, 24, Ecb, Some(Pkcs5), "4679f00da7847e792771a7d57d7b4736ead0760ac75b34b4"),
    (TripleDes, 24, Cbc, Some(Pkcs5), "6ef4b6470ae08945147882f0830c02390c3010ee9fa2c8d3"),
    (TripleDes, 24, Cbc, Some(AnsiX9_23), "6ef4b6470ae08945147882f0830c0239cbc5668aadc61b25"),
    (TripleDes, 24, Cfb, None, "db508fb45f9521430b1916c331ba54ec0b83e262"),
    (TripleDes, 24, Ofb, None, "db508fb45f952143ef584b1b26bdb9ee5b7d7e04"),
    (Aes, 16, Ecb, Some(Pkcs5), "8e103a8ac3d74cb5151b434143309d595d46a1da48a7ef3a0b40af5a427b189b"),
    (Aes, 16, Cbc, Some(Pkcs5), "f4da2be1574403ed2a5e069b4776181a4d3f165a433a028f393493bec5dc0585"),
    (Aes, 16, Cbc, Some(AnsiX9_23), "f4da2be1574403ed2a5e069b4776181acac5039131b639b281ceda349d67a7d9"),
    (Aes, 16, Cfb, None, "566baeead588f8c75944aee8d29521df5599d0e8"),
    (Aes, 16, Ofb, None, "566baeead588f8c75944aee8d29521df78a62b62"),
    (Aes, 16, Ctr, None, "566baeead588f8c75944aee8d29521df92472b6f"),
    (Aes, 24, Ecb, Some(Pkcs5), "4cfadbed12868959af8bf84f8b70080e2125e3ec6d90d5f002f6ae86161cfbd9"),
    (Aes, 24, Cbc, Some(Pkcs5), "ba0cbbb0cc38b67a51745e97f6d471ed03103847858a85e6a423c371bf80f3e9"),
    (Aes, 24, Cbc, Some(AnsiX9_23), "ba0cbbb0cc38b67a51745e97f6d471ed68f096d73511a10b473ca3e1408ee5f8"),
    (Aes, 24, Cfb, None, "4982d4bb639f975c4f5e3c9725704a9b352f7a77"),
    (Aes, 24, Ofb, None, "4982d4bb639f975c4f5e3c9725704a9b48a3ab4e"),
    (Aes, 24, Ctr, None, "4982d4bb639f975c4f5e3c9725704a9bd9f7348e"),
    (Aes, 32, Ecb, Some(Pkcs5), "8b2a429be6433529ede2a39c06f424b906fb8f7291b66948a6ca73c87dce61cb"),
    (Aes, 32, Cbc, Some(Pkcs5), "ad6a88a435eda326bdce67bbf651c7ebebdd2294eb8f55ef51372e87f4730c10"),
    (Aes, 32, Cbc, Some(AnsiX9_23), "ad6a88a435eda326bdce67bbf651c7eb8db89fd082431e0d3c5fe49ca793d150"),
    (Aes, 32, Cfb, None, "9b56e170f01e286368e639f9f1d888564ee8018e"),
    (Aes, 32, Ofb, None, "9b56e170f01e286368e639f9f1d88856007fedf6"),
    (Aes, 32, Ctr, None, "9b56e170f01e286368e639f9f1d88856777d71ef"),
    (Blowfish, 4, Ecb, Some(Pkcs5), "2bed9375da559f68c7188f73ba12ecfbc184178e3f49fdca"),
    (Blowfish, 4, Cbc, Some(Pkcs5), "848f9a1b654ef201cc04e2357610b1d82ebda932c0dd55e5"),
    (Blowfish, 4, Cbc, Some(AnsiX9_23), "848f9a1b654ef201cc04e2357610b1d8ff1223fd9664a8ac"),
    (Blowfish, 4, Cfb, None, "0e26bcfd5ca003a9da3cf8ff552023fc3207d6e5"),
    (Blowfish, 4, Ofb, None, "0e26bcfd5ca003a98a0230485c01f339f9e58af5"),
    (Blowfish, 5, Ecb, Some(Pkcs5), "7c7e80d6b9dc1005b4133e6d2349c3f24dc0bbb48080a10f"),
    (Blowfish, 5, Cbc, Some(Pkcs5), "3c76769c3f5018a5c15f747ae6608b0da553ba908787eeeb"),
    (Blowfish, 5, Cbc, Some(AnsiX9_23), "3c76769c3f5018a5c15f747ae6608b0d48a8fa0f3d6855ab"),
    (Blowfish, 5, Cfb, None, "1b2ab6f291399c721b302025e1cf52b2bd8da72b"),
    (Blowfish, 5, Ofb, None, "1b2ab6f291399c72e6b0de674b45d00f8d209b25"),
    (Blowfish, 16, Ecb, Some(Pkcs5), "001168e2f3bec16879b76d693b50e8b177316c1ffdda83f7"),
    (Blowfish, 16, Cbc, Some(Pkcs5), "b00c897e705bfb1aae021f1c04ab9596d417ecbe4496e1d7"),
    (Blowfish, 16, Cbc, Some(AnsiX9_23), "b00c897e705bfb1aae021f1c04ab9596ef5f224fbb8e8615"),
    (Blowfish, 16, Cfb, None, "559562ae4c06d8d2389a77beb79ef85d67343087"),
    (Blowfish, 16, Ofb, None, "559562ae4c06d8d27e01fb078c67d123db7713ec"),
    (Blowfish, 32, Ecb, Some(Pkcs5), "f1cf686cd86ae1cb73117aa78429fd13f7ebdf6ea93591d8"),
    (Blowfish, 32, Cbc, Some(Pkcs5), "d1a6b3d13e1ebd8a3f8d0fea643ff8fb21032deb987903e4"),
    (Blowfish, 32, Cbc, Some(AnsiX9_23), "d1a6b3d13e1ebd8a3f8d0fea643ff8fb22dc37b199b98c76"),
    (Blowfish, 32, Cfb, None, "d4c3c67f06b81225b8cdf1a1dbcfec151d4e1dea"),
    (Blowfish, 32, Ofb, None, "d4c3c67f06b8122549118bb3c666651177f9981d"),
    (Blowfish, 56, Ecb, Some(Pkcs5), "069134ec0f9e929dd7d8e16a6c99ea7a445fad275d66f907"),
    (Blowfish, 56, Cbc, Some(Pkcs5), "2ec378095543597730cdb3dbb35c501ed503e30addb8402c"),
    (Blowfish, 56, Cbc, Some(AnsiX9_23), "2ec378095543597730cdb3dbb35c501e5448aa81477900df"),
    (Blowfish, 56, Cfb, None, "d317797f8a0bcf07485fb752ecef0ec5d30d7dd4"),
    (Blowfish, 56, Ofb, None, "d317797f8a0bcf0769c39c28b166f5c049f55a4f"),
    (Camellia, 16, Ecb, Some(Pkcs5), "dc05231466a6e7b470e55337f220e367fea9819e686d8ccf4b1cf59dd38e7c4d"),
    (Camellia, 16, Cbc, Some(Pkcs5), "690af3a57df74e125b0c9d80478d41021bf55c81ebf165f374fec3da4f8a83d9"),
    (Camellia, 16, Cbc, Some(AnsiX9_23), "690af3a57df74e125b0c9d80478d4102aa081de7aa605043cf74a954e3679ce6"),
    (Camellia, 16, Cfb, None, "c7135ca6903fe092958cce9a2a87ee88b56e1c2e"),
    (Camellia, 16, Ofb, None, "c7135ca6903fe092958cce9a2a87ee8823bfa3bc"),
    (Camellia, 24, Ecb, Some(Pkcs5), "d4570a3b928520db5dddbd287c5e0061eb5ee0aeba7db045c7582ad38beee867"),
    (Camellia, 24, Cbc, Some(Pkcs5), "bbf30c04996ee0be5c16b5b344d00fa3ac79d5c711cdad22313f66d18ff78acb"),
    (Camellia, 24, Cbc, Some(AnsiX9_23), "bbf30c04996ee0be5c16b5b344d00fa32489ab999facdfcd6e152e4a283c119c"),
    (Camellia, 24, Cfb, None, "b7569bf546cb32a102c0efe7efdf1e7561c797fc"),
    (Camellia, 24, Ofb, None, "b7569bf546cb32a102c0efe7efdf1e7537ff99e3"),
    (Camellia, 32, Ecb, Some(Pkcs5), "dc63d6e812e9994d4954857bd4f4ff82538fb738a44170706cd9f7597a55ba7b"),
    (Camellia, 32, Cbc, Some(Pkcs5), "fb20012bb65147fbd0aa3b5c44fcddb33b024331fadf89ef6d1c95482ef98e2c"),
    (Camellia, 32, Cbc, Some(AnsiX9_23), "fb20012bb65147fbd0aa3b5c44fcddb32ec263d2c4bef5e32fd7eaa0e9bae589"),
    (Camellia, 32, Cfb, None, "2c9c9c9d73ac60d3efaf2b3ea243c2cff1f1d3e4"),
    (Camellia, 32, Ofb, None, "2c9c9c9d73ac60d3efaf2b3ea243c2cff1f97f79"),
    (Cast5, 5, Ecb, Some(Pkcs5), "c2b1663eae9cd17e259f2e9da3da0c7de26c9cf51b5a8123"),
    (Cast5, 5, Cbc, Some(Pkcs5), "dc78dcbf0a92ec553efdbd87bc76f7f4096f5413540cddd2"),
    (Cast5, 5, Cbc, Some(AnsiX9_23), "dc78dcbf0a92ec553efdbd87bc76f7f4d839e20228612137"),
    (Cast5, 5, Cfb, None, "641051cfdb614a28f49d329a482b2d875741a009"),
    (Cast5, 5, Ofb, None, "641051cfdb614a28fa38baa807269095dbc1b239"),
    (Cast5, 8, Ecb, Some(Pkcs5), "927887ae03686adafde43c1487b4d9e64c14ca2242079731"),
    (Cast5, 8, Cbc, Some(Pkcs5), "845afe73fa9ae6998895ce111577839d095dc6e3d10708b4"),
    (Cast5, 8, Cbc, Some(AnsiX9_23), "845afe73fa9ae6998895ce111577839d75c8375d86a5d1f5"),
    (Cast5, 8, Cfb, None, "404a97cca0d132f5b9016ba82d6c565e23ea3322"),
    (Cast5, 8, Ofb, None, "404a97cca0d132f516b69875808a6adc3371bc9e"),
    (Cast5, 10, Ecb, Some(Pkcs5), "b5484dc181d44d8cddbd2b4d7ec6a4732f8e9d05f5cc4ed3"),
    (Cast5, 10, Cbc, Some(Pkcs5), "99b5fe6b5df242b961e16ba83d62926ace2bf4a0b47020bd"),
    (Cast5, 10, Cbc, Some(AnsiX9_23), "99b5fe6b5df242b961e16ba83d62926a23b787915b79bc8a"),
    (Cast5, 10, Cfb, None, "734b1eb0c69a79958de6d13db5b166f5d8ef66b2"),
    (Cast5, 10, Ofb, None, "734b1eb0c69a7995483a86f2de4f35fcce7e203a"),
    (Cast5, 11, Ecb, Some(Pkcs5), "36e482157659956e86ca8e3c3c82b73979ddeb09ac37e654"),
    (Cast5, 11, Cbc, Some(Pkcs5), "3ca6562b18d8718350b6c776f6fe2197972a3d24ba5f67aa"),
    (Cast5, 11, Cbc, Some(AnsiX9_23), "3ca6562b18d8718350b6c776f6fe219705a0fa0a244b2339"),
    (Cast5, 11, Cfb, None, "cc2b20b60ad39484c5108f2202516392194a2331"),
    (Cast5, 11, Ofb, None, "cc2b20b60ad39484c7c8b13e614e87c7ea0d5848"),
    (Cast5, 12, Ecb, Some(Pkcs5), "420c02a6df01c2ddb53b30cb51ae15d336d447df75ee6a3d"),
    (Cast5, 12, Cbc, Some(Pkcs5), "2ced3fc6347431e223145b4607ad77cbee71df4e4397a5c9"),
    (Cast5, 12, Cbc, Some(AnsiX9_23), "2ced3fc6347431e223145b4607ad77cbc792bf399d4969f9"),
    (Cast5, 12, Cfb, None, "8f54e1adbd6e3bd728abf6d7c2aa1aeb169f65ee"),
    (Cast5, 12, Ofb, None, "8f54e1adbd6e3bd7eee3ef1552398213589d927c"),
    (Cast5, 16, Ecb, Some(Pkcs5), "02d786408185baa5eac27ebd988001250c020b70bf918de1"),
    (Cast5, 16, Cbc, Some(Pkcs5), "f935dc87287566a91291072b4129c15850b1d0baf15f17c9"),
    (Cast5, 16, Cbc, Some(AnsiX9_23), "f935dc87287566a91291072b4129c158d5e5309277e7ecd7"),
    (Cast5, 16, Cfb, None, "fb6a0ce234cd38a86f1655ed3f26205180d28811"),
    (Cast5, 16, Ofb, None, "fb6a0ce234cd38a8d3066db7c02bc17e79a7518b"),
    (Idea, 16, Ecb, Some(Pkcs5), "fb86bae5c076f135ae074ea6e2831b53c248c54f15af3487"),
    (Idea, 16, Cbc, Some(Pkcs5), "fb9bb7d3be3e32bc1f824f81bcd728dcc7576bb592f5fd30"),
    (Idea, 16, Cbc, Some(AnsiX9_23), "fb9bb7d3be3e32bc1f824f81bcd728dc2156e75fea9b5542"),
    (Idea, 16, Cfb, None, "d8ce3f999fb3019bd2b5c33560b428cff06e57a6"),
    (Idea, 16, Ofb, None, "d8ce3f999fb3019b7e3ddb38a0cd558190f76736"),
];

/// Key length in bytes, cipher text.
pub(super) const RC4: &[(usize, &str)] = &[
    (5, "929f02f47e90d11fcb02ab4a954eb66f1a5bb846"),
    (7, "6bf5779d3d08d1421e43b8924b1b7844f8d3c03c"),
    (8, "db65e12fe32a5dc8a7958cd129ec4ac4a06fcafd"),
    (10, "9c1e5617e33dec372b1656558621b60893919f01"),
    (16, "8a97c1ed776142b605804c706692c08321bb39a0"),
    (20, "278aeca8d82eacc2beab51a45bce5eebd9f7ca84"),
    (24, "096c8edaaedd5b8e0b5a57f77e777c431451d71a"),
    (32, "fb0c71428b8a61df5d69331629d2fc627a336715"),
];

/// Key length, IV length and tag length in bytes, cipher text, tag; with [`HEADER`].
pub(super) const GCM: &[(usize, usize, usize, &str, &str)] = &[
    (16, 8, 16, "61230233d29634550d061a7f35a8fd310f5888a9", "cb150427286c592869db60a84d486201"),
    (16, 8, 12, "61230233d29634550d061a7f35a8fd310f5888a9", "cb150427286c592869db60a8"),
    (16, 8, 4, "61230233d29634550d061a7f35a8fd310f5888a9", "cb150427"),
    (16, 12, 16, "113760969d3cc1395da7ba90b20fb77adc3f1a66", "02c6339dd20870e05a61e7b0500ae69f"),
    (16, 12, 12, "113760969d3cc1395da7ba90b20fb77adc3f1a66", "02c6339dd20870e05a61e7b0"),
    (16, 12, 4, "113760969d3cc1395da7ba90b20fb77adc3f1a66", "02c6339d"),
    (16, 16, 16, "95d62c8d4738927c1d93f3c2eefdb7d9637ddf86", "ffa063daa9ce9724f0e244c3ea465b4c"),
    (16, 16, 12, "95d62c8d4738927c1d93f3c2eefdb7d9637ddf86", "ffa063daa9ce9724f0e244c3"),
    (16, 16, 4, "95d62c8d4738927c1d93f3c2eefdb7d9637ddf86", "ffa063da"),
    (16, 60, 16, "ee62e8ce381964fd7c6fa98ed63f217ca43e1a72", "1ec0a570d6f2210a7f5402ffcf3819df"),
    (16, 60, 12, "ee62e8ce381964fd7c6fa98ed63f217ca43e1a72", "1ec0a570d6f2210a7f5402ff"),
    (16, 60, 4, "ee62e8ce381964fd7c6fa98ed63f217ca43e1a72", "1ec0a570"),
    (24, 8, 16, "d232e9733af908551899bf3039f3afb960042641", "9b184e0db3f98c50562de8635306f63e"),
    (24, 12, 16, "0248a0071b95104fb80e2f34ade6113591caf1f5", "2e868ff3e624e99dbe088eac27a22b98"),
    (24, 16, 16, "0a232386bcd7835e30b6dee16ce798c90c536121", "9deafbbe4e035e12466a0c05daa879ab"),
    (24, 60, 16, "be0d472d1a0fdf1795ded4f71f1020fcc635cfe5", "ee1e1cca671850cb9615b776f8d14e27"),
    (32, 8, 16, "39c53ddcbd931e661c91c0846569df52c8033c84", "74ae888aab976430047e8f258cd28ec8"),
    (32, 12, 16, "2a70781bf8b783441cb30f70efb7d9cc5f8bbbdd", "55b556282cd819ef94c9ac94af23bf65"),
    (32, 16, 16, "2d7cc8a72b96c907d3312e50da2fa6a2661a6f63", "ba4b28b6e8170cbc1f81b8db4f710b4b"),
    (32, 60, 16, "1ee2326f2b918df56a3405d8432c5dcdcc934e2d", "6051560758b289834cd5d9ad1712858d"),
];

/// Key length and IV length in bytes, cipher text, tag; with [`HEADER`].
pub(super) const CCM: &[(usize, usize, &str, &str)] = &[
    (16, 7, "41c2fa6363c60d7b1974b46600fe07c06f32ffba", "fc1ba741"),
    (16, 13, "844cfe494f835029f8196df2cdff538d14a47643", "05f5c8b705400991b7a6400703c06c3d"),
    (24, 12, "9edb6bf32f2ac5e64eb11f141f42c3003196b43b", "0a49d96912469b93"),
    (32, 11, "5e6622eb3870de99d06787455322e0f0881caceb", "bca27f27ef9673679c3ccfe4f7b4"),
    (32, 8, "5f22e24cd1e251737df702842aa464fb75056d5f", "b8476a3f3408"),
    (16, 9, "c85ff9ca4c2a35a73f0d26282403b6dcffb2383a", "04c18dda37543402a99f"),
    (24, 10, "db5af60dead85d179011a053aebca7d4a6a2f826", "b4cf5fa6364ea7cf9edce34a"),
];
