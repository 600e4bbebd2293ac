using FsCheck;
using FsCheck.Fluent;
using Tessera.Checkpoints;
using Tessera.Testing;

namespace Tessera.Tests.Checkpoints;

public class RoundTripTests
{
    static readonly DType[] types =
    [
        DType.Float64,
        DType.Float32,
        DType.Float16,
        DType.BFloat16,
        DType.Int64,
        DType.Int32,
        DType.Int16,
        DType.Int8,
        DType.UInt8,
        DType.Bool,
    ];

    static readonly Gen<CheckpointTensor> tensors =
        from type in Gen.Elements(types)
        from shape in Gen.Choose(0, 4).ArrayOf().Resize(4)
        from seed in Gen.Choose(0, int.MaxValue)
        select Filled(type, [.. shape.Select(size => (long)size)], seed);

    static readonly Gen<KeyValuePair<string, CheckpointTensor>[]> stateDicts =
        from names in ArbMap.Default.GeneratorFor<NonEmptyString>().ArrayOf()
        let distinct = names.Select(n => new string([.. n.Get.Where(c => !char.IsSurrogate(c))])).Distinct().ToArray()
        from values in tensors.ArrayOf(distinct.Length)
        select distinct.Zip(values, (name, tensor) => new KeyValuePair<string, CheckpointTensor>("n" + name, tensor)).ToArray();

    [Fact]
    public void Safetensors_read_back_as_they_were_written() =>
        Check((path, weights, metadata) => Checkpoint.SaveSafetensors(path, weights, metadata));

    [Fact]
    public void Torch_files_read_back_as_they_were_written() => Check((path, weights, _) => Checkpoint.SaveTorch(path, weights));

    [Fact]
    public void Any_strided_view_is_packed_like_its_elements_one_by_one()
    {
        var views =
            from shape in Gen.Choose(1, 5).ArrayOf(3)
            from strides in Gen.Choose(0, 7).ArrayOf(3)
            from offset in Gen.Choose(0, 3)
            from type in Gen.Elements(types)
            select (shape, strides, offset, type);
        Prop.ForAll(views.ToArbitrary(), view =>
            {
                var size = view.type.Size();
                var bytes = new byte[100 * size];
                new Random(1).NextBytes(bytes);
                var tensor = CheckpointTensor.View(
                    "view",
                    CheckpointStorage.Owned(bytes, "test"),
                    new ElementType(view.type),
                    view.offset,
                    [.. view.shape.Select(x => (long)x)],
                    [.. view.strides.Select(x => (long)x)]
                );
                var expected =
                    from i in Enumerable.Range(0, view.shape[0])
                    from j in Enumerable.Range(0, view.shape[1])
                    from k in Enumerable.Range(0, view.shape[2])
                    let at = view.offset + i * view.strides[0] + j * view.strides[1] + k * view.strides[2]
                    from b in Enumerable.Range(0, size)
                    select bytes[at * size + b];
                return tensor.ToContiguousBytes().SequenceEqual(expected);
            })
            .QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Half_precision_widens_exactly()
    {
        var half = Enumerable.Range(0, 1 << 16).Select(i => (ushort)i).ToArray();
        var f16 = CheckpointTensor.FromBytes(DType.Float16, [.. half.SelectMany(BitConverter.GetBytes)], 1 << 16).ToSingles();
        var bf16 = CheckpointTensor.FromBytes(DType.BFloat16, [.. half.SelectMany(BitConverter.GetBytes)], 1 << 16).ToSingles();
        for (var i = 0; i < half.Length; i++)
        {
            Assert.Equal(BitConverter.UInt16BitsToHalf(half[i]), (Half)f16[i]);
            Assert.Equal((uint)i << 16, BitConverter.SingleToUInt32Bits(bf16[i]));
        }
    }

    [Fact]
    public void A_copy_outlives_a_disposed_file_and_a_late_access_throws()
    {
        using var folder = new TempFolder();
        var path = folder["w.pth"];
        Checkpoint.SaveTorch(path, [new("a", CheckpointTensor.Create<float>([1, 2], 2))]);
        var checkpoint = Checkpoint.Open(path);
        var tensor = checkpoint.StateDict()["a"];
        checkpoint.Dispose();
        checkpoint.Dispose();
        Assert.Throws<ObjectDisposedException>(() => tensor.ToContiguousBytes());
        Assert.Throws<ObjectDisposedException>(() => tensor.Bytes.Length);
    }

    static void Check(Action<string, IEnumerable<KeyValuePair<string, CheckpointTensor>>, IEnumerable<KeyValuePair<string, string>>?> save)
    {
        using var folder = new TempFolder();
        var path = folder["w"];
        Prop.ForAll(stateDicts.ToArbitrary(), weights =>
            {
                save(path, weights, null);
                using var checkpoint = Checkpoint.Open(path, new CheckpointOptions(Strict: true));
                var root = (CheckpointDictionary)checkpoint.Root!;
                Assert.Equal(weights.Length, root.Count);
                foreach (var (name, expected) in weights)
                {
                    var tensor = (CheckpointTensor)root[name]!;
                    Assert.Equal(expected.DType, tensor.DType);
                    Assert.Equal(expected.Shape.ToArray(), tensor.Shape.ToArray());
                    Assert.Equal(expected.ToContiguousBytes(), tensor.ToContiguousBytes());
                }
            })
            .QuickCheckThrowOnFailure();
    }

    static CheckpointTensor Filled(DType type, long[] shape, int seed)
    {
        var bytes = new byte[shape.Aggregate(1L, (x, y) => x * y) * type.Size()];
        new Random(seed).NextBytes(bytes);
        return CheckpointTensor.FromBytes(type, bytes, shape);
    }
}
