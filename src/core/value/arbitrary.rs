//! Values for property tests: every type, and those that stand close to each other in the order.

use super::{BigDec, BigInt, BigRational, Keyword, Symbol, Uuid, Value};
use crate::id::EntityId;
use proptest::prelude::*;
use std::sync::Arc;

/// Longs where doubles become coarse, and the ends.
pub(crate) fn longs() -> impl Strategy<Value = i64> {
    let edge = prop::sample::select(vec![
        0,
        1 << 24,
        1 << 53,
        1 << 62,
        i64::MIN,
        i64::MAX,
        4_503_599_627_370_496,
    ]);
    prop_oneof![
        any::<i64>(),
        -3i64..4,
        (edge, -3i64..4, any::<bool>()).prop_map(|(edge, near, negative)| {
            let x: i64 = i64::wrapping_add(edge, near);
            if negative { x.wrapping_neg() } else { x }
        }),
    ]
}

fn doubles() -> impl Strategy<Value = f64> {
    let edge = vec![
        0.0,
        -0.0,
        f64::NAN,
        -f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN,
        f64::MAX,
        5e-324,
        -5e-324,
        f64::MIN_POSITIVE,
        0.1,
        0.5,
        1.0,
        -1.0,
        1.5,
        1e7,
        1e-3,
        9_007_199_254_740_992.0,
        9_223_372_036_854_775_808.0,
        -9_223_372_036_854_775_808.0,
        1e300,
    ];
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(edge.clone()),
        (prop::sample::select(edge), any::<bool>()).prop_map(|(x, up)| {
            let near = x.to_bits().wrapping_add_signed(if up { 1 } else { -1 });
            f64::from_bits(near)
        }),
        longs().prop_map(|x| x as f64),
    ]
}

fn floats() -> impl Strategy<Value = f32> {
    prop_oneof![
        any::<u32>().prop_map(f32::from_bits),
        prop::sample::select(vec![
            0.0,
            -0.0,
            0.1,
            0.5,
            1.0,
            f32::NAN,
            f32::INFINITY,
            f32::MIN,
            1e-45
        ]),
        longs().prop_map(|x| x as f32),
    ]
}

fn bigints() -> impl Strategy<Value = BigInt> {
    prop_oneof![
        longs().prop_map(BigInt::from),
        (longs(), longs()).prop_map(|(a, b)| BigInt::from(a) * b),
        (longs(), 0u32..1200).prop_map(|(a, shift)| BigInt::from(a) << shift),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|b| BigInt::from_signed_bytes_le(&b)),
    ]
}

fn bigdecs() -> impl Strategy<Value = Value> {
    let scale = prop_oneof![-3i64..20, -400i64..400];
    (bigints(), scale).prop_map(|(unscaled, scale)| BigDec { unscaled, scale }.into())
}

fn ratios() -> impl Strategy<Value = Value> {
    let near_double = (doubles(), -2i64..3).prop_filter_map("finite", |(x, near)| {
        let tiny = BigRational::new(near.into(), BigInt::from(1) << 1080);
        BigRational::from_float(x).map(|x| x + tiny)
    });
    let any = (bigints(), bigints()).prop_map(|(a, b)| BigRational::new(a, b * 2 + 1));
    let small = (-6i64..7, 1i64..7).prop_map(|(a, b)| BigRational::new(a.into(), b.into()));
    // Also ones that are integers: they are not read from text, but nothing keeps them from being
    // made.
    prop_oneof![near_double, any, small].prop_map(|x| Value::Ratio(Arc::new(x)))
}

/// All types of numbers.
pub(crate) fn numbers() -> BoxedStrategy<Value> {
    prop_oneof![
        longs().prop_map(Value::Long),
        longs().prop_map(|x| Value::Ref(EntityId(x.unsigned_abs()))),
        bigints().prop_map(Value::from),
        bigdecs(),
        ratios(),
        doubles().prop_map(Value::Double),
        floats().prop_map(Value::Float),
    ]
    .boxed()
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ab\u{0}\u{1}/]{0,4}", "[a-c]{1,2}(/[a-c]{1,2})?"]
}

fn uuids() -> impl Strategy<Value = Value> {
    any::<[u8; 16]>().prop_map(|bytes| Value::Uuid(Uuid::from_bytes(bytes)))
}

/// What has no parts.
pub(crate) fn scalars() -> BoxedStrategy<Value> {
    prop_oneof![
        1 => Just(Value::Nil),
        1 => any::<bool>().prop_map(Value::Bool),
        6 => numbers(),
        1 => any::<char>().prop_map(Value::Char),
        2 => texts().prop_map(Value::from),
        1 => texts().prop_map(|x| Value::Keyword(Keyword::new(&x))),
        1 => texts().prop_map(|x| Value::Symbol(Symbol::new(&x))),
        1 => longs().prop_map(Value::Inst),
        1 => uuids(),
        1 => texts().prop_map(|x| Value::Uri(x.as_str().into())),
        1 => prop::collection::vec(any::<u8>(), 0..6).prop_map(|x| Value::Bytes(x.into())),
    ]
    .boxed()
}

/// Any value that can be made by reading, and some that cannot. Ratios that are integers are left
/// to [`numbers`]: their text is that of the integer.
pub(crate) fn values() -> BoxedStrategy<Value> {
    let scalars = scalars().prop_map(|value| match value {
        Value::Ratio(x) => x.as_ref().clone().into(),
        value => value,
    });
    scalars
        .prop_recursive(4, 24, 5, |inner| {
            let items = prop::collection::vec(inner.clone(), 0..5).boxed();
            prop_oneof![
                items.clone().prop_map(|x| Value::Vector(x.into())),
                items.clone().prop_map(|x| Value::List(x.into())),
                items.prop_map(Value::set),
                prop::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::map),
                (texts(), inner)
                    .prop_filter("the reader knows it", |(tag, _)| tag != "_")
                    .prop_map(|(tag, x)| Value::Tagged(Arc::new((Symbol::new(&tag), x)))),
            ]
        })
        .boxed()
}
