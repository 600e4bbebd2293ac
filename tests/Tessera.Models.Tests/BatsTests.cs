using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Tests.Models;

[Collection("engine")]
public sealed class BatsTests
{
    private const string Normal =
            "sep_conv_3x3:0 skip_connect:1 dil_conv_3x3:0 sep_conv_5x5:2 max_pool_3x3:1 none:2 avg_pool_3x3:0 dil_conv_5x5:4",
        Reduce = "max_pool_3x3:0 sep_conv_3x3:1 skip_connect:0 skip_connect:2 sep_conv_5x5:0 skip_connect:2 conv_7x1_1x7:3 skip_connect:1";

    private static BatsNetworkOptions Network(BatsBits bits = BatsBits.Binary, bool auxiliary = false) =>
        new(Normal, Reduce, Width: 12, Layers: 3, Groups: 4, Bits: bits, Auxiliary: auxiliary);

    private static readonly ModelOptions five = new() { Classes = 5 };

    private static BatsSupernet Supernet(double temperature = 0.2, BatsBits bits = BatsBits.Activations) =>
        (BatsSupernet)
            new BatsSupernetOptions(Width: 8, Layers: 3, Groups: 4, Bits: bits, Temperature: temperature).Create(
                five with
                {
                    ImageSize = (16, 16),
                }
            );

    [Fact]
    public void Cells_are_texts_that_read_back_to_the_same()
    {
        var cells = BatsText.ReadGenotype($"{Normal} | {Reduce}");
        Assert.Equal(new BatsChoice("sep_conv_3x3", 0), cells.Normal[0]);
        Assert.Equal(new BatsChoice("conv_7x1_1x7", 3), cells.Reduce[6]);
        Assert.Equal([2, 3, 4, 5], cells.NormalConcat);
        Assert.Equal($"{Normal} | {Reduce}", BatsText.Write(cells));
        Assert.Equal("skip_connect:0 none:1", BatsText.Write(BatsText.Read("  skip_connect:0\n none:1 ")));
    }

    [Theory]
    [InlineData("", "a cell must have two choices for each node, as in sep_conv_3x3:0 skip_connect:1, not 0")]
    [InlineData("none:0 none:1 none:0", "a cell must have two choices for each node, as in sep_conv_3x3:0 skip_connect:1, not 3")]
    [InlineData("none:0 none", "'none' must be an operation and its input, as in sep_conv_3x3:0")]
    [InlineData("none:0 none:-1", "'none:-1' must be an operation and its input, as in sep_conv_3x3:0")]
    [InlineData("none:0 none:2", "'none:2': choice 2 belongs to node 1, whose inputs are 0 to 1")]
    [InlineData("none:0 conv:1", "'conv:1': there is no operation conv; there are none, ")]
    public void A_cell_that_is_none_is_refused_by_its_choice(string cell, string reason)
    {
        Assert.StartsWith(reason, Assert.Throws<FormatException>(() => BatsText.Read(cell)).Message, StringComparison.Ordinal);
        Assert.StartsWith(
            $"reduce: {reason}",
            Assert.Throws<ArgumentException>(() => new BatsNetworkOptions(Normal, cell)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void The_names_of_the_weights_are_those_of_the_authors_library()
    {
        using var scope = new Scope();
        var names = Network(auxiliary: true).Create(five).StateDict().Keys.ToArray();
        Assert.Equal("stem.0.weight", names[0]);
        Assert.Equal(
            [
                "cells.0.preprocess0.op.0.weight",
                "cells.0.preprocess0.op.0.bias",
                "cells.0.preprocess0.op.0.running_mean",
                "cells.0.preprocess0.op.0.running_var",
                "cells.0.preprocess0.op.0.num_batches_tracked",
                "cells.0.preprocess0.op.1.weight",
                "cells.0.preprocess0.op.1.activation_post_process.alpha",
                "cells.0.preprocess0.op.2.weight",
            ],
            names.Where(name => name.StartsWith("cells.0.preprocess0.", StringComparison.Ordinal))
        );
        // Cell 1 and cell 2 halve the map: what comes from before cell 1 is halved for cell 2.
        Assert.Equal(
            ["activation.weight", "conv_1.0.weight", "conv_1.0.activation_post_process.alpha", "conv_2.0.weight"],
            names
                .Where(name => name.StartsWith("cells.2.preprocess0.", StringComparison.Ordinal))
                .Take(4)
                .Select(name => name["cells.2.preprocess0.".Length..])
        );
        foreach (
            var name in (string[])
                [
                    "cells.1._ops.1.op.1.weight",
                    "cells.0._ops.0.op.2.weight",
                    "auxiliary_head.features.5.weight",
                    "auxiliary_head.classifier.bias",
                ]
        )
            Assert.Contains(name, names);
        Assert.DoesNotContain(names, name => name.StartsWith("cells.0._ops.1.", StringComparison.Ordinal));
        Assert.Equal("classifier.bias", names[^1]);
    }

    [Fact]
    public void A_network_with_one_bit_begins_with_the_weights_of_one_with_real_weights_and_scales_that_fit_them()
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        Torch.Seed(1);
        var (first, second) = (Network(BatsBits.Activations).Create(five), Network().Create(five));
        var state = first.StateDict();
        Assert.DoesNotContain(state.Keys, BinaryConv2d.IsScale);
        var given = new OrderedDictionary<string, Tensor>(state);
        second.AdaptStateDict(given);
        second.LoadStateDict(given);
        foreach (var (name, tensor) in second.StateDict())
        {
            if (!BinaryConv2d.IsScale(name))
            {
                Assert.True(tensor.ToBytes().AsSpan().SequenceEqual(state[name].ToBytes()), name);
                continue;
            }
            var weight = state[BinaryConv2d.WeightOf(name)];
            var each = weight.ToArray<float>().Chunk((int)(weight.Elements / weight.Size(0))).Select(filter => filter.Average(Math.Abs));
            foreach (var (expected, found) in each.Zip(tensor.ToArray<float>()))
                Assert.Equal(expected, found, 1e-6f);
        }
        // What is there is taken as it is.
        var own = new OrderedDictionary<string, Tensor>(second.StateDict());
        var before = own.ToArray();
        second.AdaptStateDict(own);
        Assert.Equal(before, own);
    }

    [Theory]
    [InlineData(BatsBits.Real)]
    [InlineData(BatsBits.Activations)]
    [InlineData(BatsBits.Binary)]
    public void A_supernet_answers_the_questions_of_a_backbone_and_derives_a_network(BatsBits bits)
    {
        using var scope = new Scope();
        Torch.Seed(2);
        var net = Supernet(bits: bits);
        var names = net.StateDict().Keys.ToArray();
        Assert.Equal("stem.0.weight", names[0]);
        Assert.Equal(["tables.normal", "tables.reduce"], names[^2..]);
        Assert.Contains("cells.2.edges.13.ops.7.op.1.weight", names);
        Assert.DoesNotContain(names, BinaryConv2d.IsScale);
        // Norms have neither scale nor shift.
        Assert.DoesNotContain("cells.0.pre1.op.0.weight", names);
        var images = Torch.Randn([2, 3, 16, 16]);
        var logits = net.Call(images);
        Assert.Equal(new Shape(2, 5), logits.Shape);
        logits.Square().Sum().Backward();
        Assert.True(net.Tables.Normal.Grad!.Abs().Sum().ToDouble() > 0);
        Assert.True(net.Tables.Reduce.Grad!.Abs().Sum().ToDouble() > 0);
        Assert.Equal([16, 8, 4], net.ForwardFeatureMaps(images).Select(map => (int)map.Map.Size(2)));
        Assert.Equal([1, 2, 4], net.ForwardFeatureMaps(images).Select(map => map.Stride));
        Assert.Equal(3, net.ForwardIntermediates(images).Count);

        var cells = net.Derived();
        Assert.Equal((8, 8), (cells.Normal.Count, cells.Reduce.Count));
        Assert.DoesNotContain(cells.Normal.Concat(cells.Reduce), choice => choice.Operation == "none");
        using (Torch.NoGrad())
            net.Tables.Normal.Slice(0, 0, 2).Select(1, BatsOperations.Names.Count - 1).Fill_(5);
        Assert.Equal(["dil_conv_5x5", "dil_conv_5x5"], net.Derived().Normal.Take(2).Select(choice => choice.Operation));
    }

    [Fact]
    public void A_table_learns_by_the_inverse_of_the_temperature_and_its_entropy_falls_with_it()
    {
        using var scope = new Scope();
        var (gradients, entropies) = (new List<Tensor>(), new List<double>());
        foreach (var temperature in (double[])[1, 0.2])
        {
            Torch.Seed(3);
            var net = Supernet(temperature);
            using (Torch.NoGrad())
                foreach (var table in (Parameter[])[net.Tables.Normal, net.Tables.Reduce])
                    table.Zero_();
            net.Call(Torch.Ones([2, 3, 16, 16])).Square().Sum().Backward();
            gradients.Add(net.Tables.Normal.Grad!);
            Assert.Equal(Math.Log(8), BatsSearchCell.Entropy(net.Weights(reduces: true)).ToDouble(), 1e-5);
            using (Torch.NoGrad())
                net.Tables.Reduce.Select(1, 4).Fill_(0.5);
            entropies.Add(BatsSearchCell.Entropy(net.Weights(reduces: true)).ToDouble());
        }
        // Where a table says nothing, mixtures are alike whatever the temperature.
        Assert.True(gradients[0].Abs().Max().ToDouble() > 0);
        Assert.Equal(0, (gradients[0] * 5 - gradients[1]).Abs().Max().ToDouble() / gradients[1].Abs().Max().ToDouble(), 1e-4);
        Assert.True(entropies[1] < entropies[0] - 0.1, $"{entropies[1]} {entropies[0]}");
    }

    [Fact]
    public void Images_and_sizes_that_do_not_go_are_refused_in_a_sentence()
    {
        Refused(
            () => Network().Create(five with { ImageSize = (30, 32) }),
            "images of 30x32 do not halve evenly: sides must be multiples of 4"
        );
        Refused(
            () => (Network() with { LargeImages = true }).Create(five with { ImageSize = (200, 200) }),
            "images of 200x200 do not halve evenly: sides must be multiples of 32"
        );
        Refused(() => Network(auxiliary: true).Create(five with { ImageSize = (28, 28) }), "auxiliary must be false for images of 28x28: ");
        Refused(() => (Network() with { Width = 10 }).Create(five), "10 channels must be a multiple of 4 groups");
        Refused(() => Supernet(0), "the temperature must be above 0, not 0");

        static void Refused(Action create, string reason)
        {
            using var scope = new Scope();
            Assert.StartsWith(reason, Assert.Throws<ArgumentException>(create).Message, StringComparison.Ordinal);
        }
    }
}
