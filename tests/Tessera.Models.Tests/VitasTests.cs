using Tessera.Models;

namespace Tessera.Tests.Models;

public sealed class VitasTests
{
    private static readonly VitasSpace small = new([4, 8, 16], 48, 4, [1, 2, 4, 8], 240, 240);

    [Theory]
    [InlineData("vitas_a", 858_652_480)]
    [InlineData("vitas_b", 990_624_768)]
    [InlineData("vitas_c", 1_303_042_496)]
    [InlineData("vitas_e", 2_706_797_632)]
    [InlineData("vitas_f", 4_930_994_656)]
    public void Published_networks_cost_what_the_authors_count(string name, long cost)
    {
        using var scope = new Scope();
        Assert.Equal(cost, ((Vitas)Registry.Create(name)).Options.PublishedCost);
    }

    [Fact]
    public void The_counter_gives_the_authors_figures_of_DeiT()
    {
        Assert.Equal(1_284_003_840, Deit(192, 3).PublishedCost);
        Assert.Equal(4_648_906_752, Deit(384, 6).PublishedCost);

        static Vitas.Config Deit(int dim, int heads) =>
            new((224, 224), 16, dim, [.. Enumerable.Repeat(new Vitas.BlockOptions(heads, 3 * dim, 4 * dim), 12)]);
    }

    [Fact]
    public void The_supernet_of_the_tiny_space_has_as_many_parameters_as_published()
    {
        using var scope = new Scope();
        using var skipped = Nn.Init.Skip();
        var supernet = new VitasSupernet(new(VitasSpace.Tiny, (224, 224), 1000));
        Assert.Equal(49_596_904, supernet.Parameters().Sum(parameter => parameter.Shape.Aggregate(1L, (all, one) => all * one)));
    }

    [Fact]
    public void A_genome_reads_back_as_it_was_written()
    {
        const string found = "1 2 4 0 3 0 0 5 3 6 9 9 2 7 0 4";
        Assert.Equal(found, small.Decode(found).ToString());
        Assert.Equal(small.Decode(found), small.Decode(small.Decode(found).ToString()));
    }

    [Theory]
    [InlineData("1 2 4 0 3 0 0 5 3 6 9 9 2 7 0", "has 16 numbers, not 15")]
    [InlineData("3 2 4 0 3 0 0 5 3 6 9 9 2 7 0 4", "number 0 of a genome must be from 0 to 2, not 3")]
    [InlineData("1 2 5 0 3 0 0 5 3 6 9 9 2 7 0 4", "number 2 of a genome must be from 0 to 4, not 5")]
    [InlineData("1 2 4 0 3 1 0 5 3 6 9 9 2 7 0 4", "number 5 of a genome must be from 0 to 0, not 1")]
    [InlineData("1 2 4 0 3 0 0 5 3 6 9 9 2 7 0 10", "number 15 of a genome must be from 0 to 9, not 10")]
    [InlineData("1 2 4 0 3 0 0 5 3 6 9 9 2 7 0 x", "number 15 of a genome must be a whole number from 0, not 'x'")]
    public void What_is_no_genome_is_named(string text, string message) =>
        Assert.Contains(message, Assert.Throws<FormatException>(() => small.Decode(text)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(WidthSharing.Left)]
    [InlineData(WidthSharing.Right)]
    [InlineData(WidthSharing.Cyclic)]
    public void A_network_in_the_supernet_is_the_one_that_holds_its_weights(WidthSharing sharing)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        Torch.Seed(1);
        var supernet = new VitasSupernet(new(small, (32, 32), 10));
        foreach (var parameter in supernet.Parameters())
            parameter.Copy_(Torch.Randn(parameter.Shape) * 0.2);
        var genome = small.Decode("1 4 3 2 0 0 0 5 4 4 4 4 6 2 4 7");
        var whole = small.Configure(genome, (32, 32), 10);
        var alone = new Vitas(whole);
        var state = supernet.StateDict();
        var (dim, weights) = (SharedChannels.Of(sharing, small, genome.Widths[0], 48), new OrderedDictionary<string, Tensor>());
        foreach (var (name, own) in alone.StateDict())
            weights.Add(name, Part(name, own));
        alone.LoadStateDict(weights);
        var images = Torch.Randn([2, 3, 32, 32]);
        var expected = supernet.Call(images, genome, sharing);
        // Scores of the supernet are divided by the root of 16, whatever the network: the queries of one of its own make up for that.
        foreach (var (position, choice) in genome.Positions.Index())
            if (choice != small.Identity)
                Scale(alone, position, Math.Pow(48 / 3, -0.5) / Math.Pow(whole.Dim / small.HeadChoices[choice], -0.5));
        Assert.Equal(0, (alone.Call(images) - expected).Abs().Max().ToDouble(), 1e-4);

        Tensor Part(string name, Tensor own)
        {
            var theirs = name.Replace("Patch_init_0.0.", "Patch_init_0.1.", StringComparison.Ordinal)
                .Replace("Block_Block_", "Block_id_", StringComparison.Ordinal);
            if (name.Contains(".Patch_init", StringComparison.Ordinal) || name.Contains("stem", StringComparison.Ordinal))
                return dim.Of(
                    state[theirs],
                    name.EndsWith("cls_token", StringComparison.Ordinal) || name.EndsWith("pos_embed", StringComparison.Ordinal) ? 2 : 0
                );
            if (!name.Contains("Block_Block_", StringComparison.Ordinal))
                return name.Contains("FC", StringComparison.Ordinal)
                    ? (own.Dim == 1 ? state[name] : dim.Of(state[name], 1))
                    : dim.Of(state[name], 0);
            var position = name["net.backbone_Block_Block_".Length] - '0';
            var (qkv, mlp) = (genome.Widths[1 + 2 * position], genome.Widths[2 + 2 * position]);
            var (queries, values, hidden) = (
                SharedChannels.Of(sharing, small, qkv, 160),
                SharedChannels.Of(sharing, small, qkv, 80),
                SharedChannels.Of(sharing, small, mlp, 240)
            );
            if (theirs.Contains("attn.qkv", StringComparison.Ordinal))
            {
                var (qk, v) = (
                    queries.Of(state[theirs.Replace("qkv", $"qk{genome.Positions[position]}", StringComparison.Ordinal)], 0),
                    values.Of(state[theirs.Replace("qkv", "v", StringComparison.Ordinal)], 0)
                );
                var both = Torch.Cat([qk, v]);
                return both.Dim == 1 ? both : dim.Of(both, 1);
            }
            var theirOwn = state[theirs];
            return name switch
            {
                _ when name.Contains("norm", StringComparison.Ordinal) => dim.Of(theirOwn, 0),
                _ when name.Contains("attn.proj.weight", StringComparison.Ordinal) => values.Of(dim.Of(theirOwn, 0), 1),
                _ when name.Contains("fc1.weight", StringComparison.Ordinal) => dim.Of(hidden.Of(theirOwn, 0), 1),
                _ when name.Contains("fc1.bias", StringComparison.Ordinal) => hidden.Of(theirOwn, 0),
                _ when name.Contains("fc2.weight", StringComparison.Ordinal) => hidden.Of(dim.Of(theirOwn, 0), 1),
                _ => dim.Of(theirOwn, 0),
            };
        }

        static void Scale(Vitas model, int position, double factor)
        {
            foreach (var kind in (string[])["weight", "bias"])
            {
                var packed = model.StateDict()[$"net.backbone_Block_Block_{position}.0.attn.qkv.{kind}"];
                packed.Slice(0, 0, packed.Size(0) / 3).Mul_(factor);
            }
        }
    }

    [Theory]
    [InlineData(WidthSharing.Left)]
    [InlineData(WidthSharing.Right)]
    [InlineData(WidthSharing.Cyclic)]
    public void Weights_that_are_taken_out_of_the_supernet_compute_what_it_does(WidthSharing sharing)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var supernet = Supernet();
        var genome = small.Decode("1 4 3 2 0 0 0 5 4 4 4 4 6 2 4 7");
        var alone = new VitasNetworkOptions(small, genome.ToString()).Create(new() { ImageSize = (32, 32), Classes = 10 });
        alone.LoadStateDict(supernet.WeightsOf(genome, sharing));
        var images = Torch.Randn([2, 3, 32, 32]);
        Assert.Equal(0, (alone.Call(images) - supernet.Call(images, genome, sharing)).Abs().Max().ToDouble(), 1e-4);
    }

    private static VitasSupernet Supernet(VitasSharing sharing = VitasSharing.Bilateral, bool firstPatchOnly = false)
    {
        Torch.Seed(1);
        var supernet = new VitasSupernet(new(small, (32, 32), 10) { Sharing = sharing, FirstPatchOnly = firstPatchOnly });
        using var outside = Torch.NoGrad();
        foreach (var parameter in supernet.Parameters())
            parameter.Copy_(Torch.Randn(parameter.Shape) * 0.2);
        return supernet;
    }

    [Fact]
    public void A_supernet_computes_the_network_in_use_and_else_its_largest()
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var supernet = Supernet(VitasSharing.Cyclic);
        var images = Torch.Randn([2, 3, 32, 32]);
        var genome = small.Decode("1 4 3 2 0 0 0 5 4 4 4 4 6 2 4 7");
        var whole = supernet.Call(images);
        Assert.True(whole.Equal(supernet.Call(images, small.Largest, WidthSharing.Cyclic)));
        using (supernet.Use(genome))
        {
            Assert.True(supernet.ForwardFeatures(images).Shape == new Shape(2, 17, small.Width(5, 48)));
            Assert.Throws<InvalidOperationException>(() => supernet.Use(genome));
            Assert.Equal(4, supernet.ForwardIntermediates(images).Count);
        }
        Assert.True(whole.Equal(supernet.Call(images)));
        Assert.Contains(
            "number 1 of a genome must be from 0 to 4, not 9",
            Assert.Throws<ArgumentException>(() => supernet.Use(genome with { Positions = [9, 3, 2, 0] })).Message,
            StringComparison.Ordinal
        );
        supernet.Resize(64, 32);
        Assert.Equal(new Shape(1, 10), supernet.Call(Torch.Randn([1, 3, 64, 32])).Shape);
        supernet.ResetClassifier(3);
        using (supernet.Use(genome))
            Assert.Equal(new Shape(1, 3), supernet.Call(Torch.Randn([1, 3, 64, 32])).Shape);
    }

    [Fact]
    public void The_released_rule_lets_the_first_patch_size_alone_learn()
    {
        using var scope = new Scope();
        foreach (var released in (bool[])[false, true])
        foreach (var patch in (int[])[0, 1])
        {
            var supernet = Supernet(firstPatchOnly: released);
            supernet.Call(Torch.Randn([2, 3, 32, 32]), small.Largest with { Patch = patch }).Sum().Backward();
            var stems = supernet
                .NamedParameters()
                .Where(entry => entry.Name.Contains("Patch_init", StringComparison.Ordinal) && entry.Parameter.Grad is not null)
                .Select(entry => entry.Name["net.backbone_init_stem_Patch_init_0.".Length] - '0')
                .Distinct();
            Assert.Equal((int[])(released && patch > 0 ? [] : [patch]), stems);
        }
    }

    [Fact]
    public void Drawn_networks_cost_on_average_what_is_expected()
    {
        var random = new Random(1);
        foreach (var identity in (double[])[0.2, 0.7])
        {
            var mean = Enumerable
                .Range(0, 3000)
                .Average(_ => (double)small.Configure(small.Draw(random, identity), (32, 32), 10).PublishedCost);
            Assert.Equal(1, mean / small.ExpectedCost(identity, (32, 32), 10), 0.06);
        }
    }

    [Fact]
    public void Where_every_position_has_a_block_heads_are_drawn_alike_but_by_the_released_rule()
    {
        var space = small with { OptionalBlocks = false };
        Assert.InRange(Share(lastHeads: false), 0.22, 0.28);
        Assert.InRange(Share(lastHeads: true), 0.47, 0.53);
        Assert.Equal(0, space.IdentityFor(1, 2, (32, 32)));
        Assert.Throws<FormatException>(() => space.Decode("1 4 3 2 0 0 0 5 4 4 4 4 6 2 4 7"));

        double Share(bool lastHeads)
        {
            var random = new Random(1);
            return Enumerable
                .Range(0, 2000)
                .Average(_ => space.Draw(random, 0.5, lastHeads).Positions.Average(choice => choice == 3 ? 1.0 : 0));
        }
    }

    [Fact]
    public void Shifted_positions_keep_their_widths_and_the_cost()
    {
        var genome = small.Decode("1 4 3 4 0 0 0 5 1 2 3 4 5 6 7 8");
        Assert.Equal("1 3 0 4 4 0 0 5 3 4 7 8 1 2 5 6", small.Shifted(genome).ToString());
        Assert.Equal(small.Configure(genome, (32, 32)).PublishedCost, small.Configure(small.Shifted(genome), (32, 32)).PublishedCost);
    }

    [Fact]
    public void A_space_that_cannot_be_is_refused()
    {
        Assert.Contains(
            "shares",
            Assert.Throws<ArgumentException>(() => new VitasSpace([4], 8, 1, [1], 3, 3, [0.5, 0.5])).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "patch_sizes must be a list",
            Assert.Throws<ArgumentException>(() => new VitasSpace([], 8, 1, [1], 3, 3)).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "equal_blocks needs optional_blocks: false",
            Assert.Throws<ArgumentException>(() => new VitasSpace([4], 8, 1, [1], 3, 3, EqualBlocks: true)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Under_cyclic_sharing_all_channels_are_used_by_nearly_as_many_widths()
    {
        var usage = new int[48];
        for (var share = 0; share < small.Shares.Count; share++)
            foreach (var channel in SharedChannels.Of(WidthSharing.Cyclic, small, share, 48).Indices)
                usage[channel]++;
        Assert.InRange(usage.Max() - usage.Min(), 0, 1);
    }

    [Fact]
    public void The_probability_of_no_block_meets_the_budget_or_the_reason_is_said()
    {
        var found = VitasSpace.Tiny.IdentityFor(0.9e9, 1e9, (224, 224));
        Assert.InRange(VitasSpace.Tiny.ExpectedCost(found, (224, 224)), 0.9e9, 1e9);
        Assert.Contains(
            "the budget is too narrow, or outside of what the space holds",
            Assert.Throws<ArgumentException>(() => VitasSpace.Tiny.IdentityFor(1, 2, (224, 224))).Message,
            StringComparison.Ordinal
        );
    }
}
