using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Testing;

namespace Tessera.Tests.Models;

/// <summary>Layers and networks of one bit, packed and not: the same bits.</summary>
public sealed class BinaryConvTests : LiveTensors
{
    private static BatsChoice[] Choices(params (string Operation, int Input)[] choices) =>
        [.. choices.Select(choice => new BatsChoice(choice.Operation, choice.Input))];

    internal static Bats.Genotype Cells { get; } =
        new(
            Choices(
                ("sep_conv_3x3", 0),
                ("sep_conv_5x5", 1),
                ("dil_conv_3x3", 0),
                ("skip_connect", 1),
                ("max_pool_3x3", 2),
                ("sep_conv_7x7", 1),
                ("conv_7x1_1x7", 3),
                ("dil_conv_5x5", 2)
            ),
            [2, 3, 4, 5],
            Choices(
                ("sep_conv_3x3", 0),
                ("skip_connect", 1),
                ("sep_conv_5x5", 0),
                ("dil_conv_3x3", 1),
                ("avg_pool_3x3", 0),
                ("none", 1),
                ("conv_7x1_1x7", 1),
                ("dil_conv_5x5", 2)
            ),
            [2, 3, 4, 5]
        );

    private static Bats Network(Binarization binarization)
    {
        var model = new Bats(new((16, 16), Cells, Width: 24, Layers: 4, Style: new(Binarization: binarization)));
        model.Eval();
        return model;
    }

    [Theory]
    [InlineData(Binarization.XnorPlus)]
    [InlineData(Binarization.Xnor)]
    public void A_network_gives_the_same_bits_packed_and_in_float(Binarization binarization)
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var model = Network(binarization);
        using var mode = Torch.NoGrad();
        foreach (var (_, alpha) in model.NamedParameters().Where(one => one.Name.EndsWith("alpha", StringComparison.Ordinal)))
            alpha.Copy_(Torch.Rand(alpha.Shape.ToArray()));
        var images = Torch.Randn([3, 3, 16, 16]);
        model.UsePackedKernels(false);
        var expected = model.Call(images);
        model.UsePackedKernels(true);
        Near.Identical(expected, model.Call(images));
        var before = model.StateDict().Where(one => one.Key.EndsWith(".weight", StringComparison.Ordinal)).ToDictionary();
        Assert.Equal(model.NamedModules().Count(one => one.Module is BinaryConv2d), model.PackBinaryConvolutions());
        Near.Identical(expected, model.Call(images));
        Near.Identical(expected.Argmax(1), model.Call(images).Argmax(1));
        // Off the kernels, the signs are unpacked.
        model.UsePackedKernels(false);
        Near.Identical(expected, model.Call(images));
        foreach (var (name, packed) in model.StateDict().Where(one => one.Key.EndsWith(".packed_weight", StringComparison.Ordinal)))
        {
            var (filters, values) = (packed.Size(1), before[name.Replace("packed_", "", StringComparison.Ordinal)].Elements);
            // A bit for each of 32, and whole bytes for each filter.
            Assert.Equal(filters * ((values / filters + 7) / 8), packed.Elements);
        }
    }

    [Fact]
    public void Packed_weights_take_a_32nd_of_the_size()
    {
        using var scope = Torch.Scope();
        var conv = new BinaryConv2d(256, 256, 3);
        var bytes = conv.StateDict()["weight"].Elements * sizeof(float);
        conv.Pack();
        Assert.Equal(["activation_post_process.alpha", "packed_weight"], conv.StateDict().Keys);
        Assert.Equal(bytes / 32, conv.StateDict()["packed_weight"].Elements);
    }

    public static TheoryData<Binarization, bool> Kinds() =>
        new()
        {
            { Binarization.XnorPlus, false },
            { Binarization.XnorPlus, true },
            { Binarization.Xnor, false },
            { Binarization.Xnor, true },
        };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_file_of_packed_weights_loads_into_a_model_of_floats(Binarization binarization, bool centered)
    {
        using var scope = Torch.Scope();
        using var mode = Torch.NoGrad();
        Torch.Seed(4);
        var (trained, loaded) = (Made(), Made());
        var x = Torch.Randn([2, 24, 9, 7]);
        var expected = trained.Call(x);
        trained.Pack();
        var state = new OrderedDictionary<string, Tensor>(
            trained.StateDict().Select(one => KeyValuePair.Create(one.Key, one.Value.Clone()))
        );
        loaded.ExpectPacked(state);
        loaded.LoadStateDict(state);
        Assert.True(loaded.IsPacked);
        Near.Identical(expected, loaded.Call(x));

        BinaryConv2d Made()
        {
            var conv = new BinaryConv2d(24, 16, (3, 5), 1, 2, 1, 4, binarization, centered);
            conv.Eval();
            return conv;
        }
    }

    [Fact]
    public void Weights_that_change_are_packed_anew()
    {
        using var scope = Torch.Scope();
        using var mode = Torch.NoGrad();
        var conv = new BinaryConv2d(64, 8, 3, binarization: Binarization.Xnor);
        conv.Eval();
        var x = Torch.Randn([1, 64, 5, 5]);
        Check();
        conv.StateDict()["weight"].Mul_(-2);
        Check();
        // Other memory.
        conv.To(dtype: DType.Float64);
        conv.StateDict()["weight"].Mul_(-1.5);
        conv.To(dtype: DType.Float32);
        Check();

        void Check()
        {
            var packed = conv.Call(x);
            conv.UsesPackedKernels = false;
            Near.Identical(conv.Call(x), packed);
            conv.UsesPackedKernels = true;
        }
    }

    [Fact]
    public void Weights_that_are_exactly_zero_count_nothing()
    {
        using var scope = Torch.Scope();
        using var mode = Torch.NoGrad();
        // One channel, centred: nothing is left.
        var conv = new BinaryConv2d(6, 6, 3, padding: 1, groups: 6, centersWeights: true);
        conv.Eval();
        conv.Pack();
        Near.Identical(Torch.Zeros([1, 6, 4, 4]), conv.Call(Torch.Randn([1, 6, 4, 4])));
    }

    [Fact]
    public void Gradients_and_other_types_take_the_floats()
    {
        using var scope = Torch.Scope();
        Torch.Seed(5);
        var conv = new BinaryConv2d(8, 4, 3);
        conv.Eval();
        var x = Torch.Randn([1, 8, 5, 5]);
        x.RequiresGrad = true;
        var expected = Autograd.Grad([conv.Call(x).Sum()], [x])[0]!;
        conv.Pack();
        Near.Identical(expected, Autograd.Grad([conv.Call(x).Sum()], [x])[0]!);
        using var mode = Torch.NoGrad();
        conv.To(dtype: DType.Float64);
        Near.Identical(conv.Call(x.To(DType.Float64)).To(DType.Float32), Single());

        Tensor Single()
        {
            conv.To(dtype: DType.Float32);
            return conv.Call(x);
        }
    }

    [Fact]
    public void Autocast_keeps_its_type()
    {
        using var scope = Torch.Scope();
        using var mode = Torch.NoGrad();
        var conv = new BinaryConv2d(8, 4, 3);
        conv.Eval();
        var x = Torch.Randn([1, 8, 5, 5]);
        using var shorter = Torch.Autocast();
        var packed = conv.Call(x);
        conv.UsesPackedKernels = false;
        Near.Identical(conv.Call(x), packed);
    }

    [Fact]
    public void Packed_weights_are_not_trained_and_real_ones_not_packed()
    {
        using var scope = Torch.Scope();
        var conv = new BinaryConv2d(8, 4, 3);
        conv.Pack();
        conv.Pack();
        Assert.Contains(
            "cannot be trained",
            Assert.Throws<InvalidOperationException>(() => conv.Call(Torch.Ones([1, 8, 3, 3]))).Message,
            StringComparison.Ordinal
        );
        foreach (var binarization in new[] { Binarization.Real, Binarization.Activations })
            Assert.Throws<InvalidOperationException>(() => new BinaryConv2d(8, 4, 3, binarization: binarization).Pack());
        Assert.Equal(0, Network(Binarization.Activations).PackBinaryConvolutions());
    }
}
