using Tessera.Models;

namespace Tessera.Tests.Models;

public sealed class GlitTests
{
    [Fact]
    public void The_published_network_costs_what_the_authors_count()
    {
        using var scope = new Scope();
        var model = (Glit)Registry.Create("glit_tiny_patch16_224");
        Assert.Equal(1332.47, model.PublishedCost(), 0.01);
        Assert.Equal(7_264_456, model.Parameters().Sum(parameter => parameter.Shape.Aggregate(1L, (all, one) => all * one)));
    }

    [Fact]
    public void A_path_through_a_supernet_is_the_network_that_holds_its_weights()
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        Torch.Seed(1);
        int[] kinds = [0, 1, 2, 3],
            path = [8, 2, 4, 7];
        var supernet = new Glit(new Glit.Config((32, 32), 8, 24, 3, Glit.Config.Candidates(kinds), 5));
        var alone = new Glit(new Glit.Config((32, 32), 8, 24, 3, Glit.Config.Decode(kinds, path), 5));
        var state = supernet.StateDict();
        var weights = new OrderedDictionary<string, Tensor>();
        foreach (var (name, _) in alone.StateDict())
        {
            var block = name.StartsWith("blocks.", StringComparison.Ordinal) ? name["blocks.".Length] - '0' : -1;
            weights.Add(name, state[block < 0 ? name : $"blocks.{block}.{path[block]}{name["blocks.0.0".Length..]}"]);
        }
        alone.LoadStateDict(weights);
        alone.Eval();
        supernet.Eval();
        var images = Torch.Randn([2, 3, 32, 32]);
        Assert.Equal(0, (alone.Call(images) - supernet.Call(images, path)).Abs().Max().ToDouble(), 1e-6);
        Assert.Equal(alone.PublishedCost(), supernet.PublishedCost(path), 1e-9);
    }

    [Fact]
    public void Weights_that_are_taken_out_of_a_supernet_compute_what_its_path_does()
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        Torch.Seed(1);
        int[] path = [2, 0, 3];
        var images = new ModelOptions { ImageSize = (32, 32), Classes = 5 };
        var supernet = (Glit)new GlitSupernetOptions(3, null, 24, 3, 8).Create(images);
        Assert.Equal([4, 4, 4], supernet.Choices);
        var alone = new GlitNetworkOptions(path, null, 24, 3, 8).Create(images);
        var input = Torch.Randn([2, 3, 32, 32]);
        // Running statistics come along.
        supernet.Call(input, path);
        alone.LoadStateDict(supernet.WeightsOf(path));
        alone.Eval();
        supernet.Eval();
        var first = supernet.Call(input);
        using (supernet.Use(path))
        {
            Assert.Equal(0, (alone.Call(input) - supernet.Call(input)).Abs().Max().ToDouble(), 1e-6);
            Assert.Equal(["blocks.0.2", "blocks.1.0", "blocks.2.3"], supernet.BlockPaths);
            Assert.Throws<InvalidOperationException>(() => supernet.Use(path));
        }
        Assert.True(first.Equal(supernet.Call(input)));
        Assert.Equal([9, 9], ((Glit)new GlitSupernetOptions(2, [0, 3], 24, 3, 8).Create(images)).Choices);
    }

    [Fact]
    public void What_is_no_path_is_named()
    {
        using var scope = new Scope();
        var supernet = new Glit(new Glit.Config((32, 32), 8, 24, 3, Glit.Config.Candidates([0, 3]), 5));
        var images = Torch.Zeros([1, 3, 32, 32]);
        Assert.Contains("as many numbers, not 1", Refused([0]), StringComparison.Ordinal);
        Assert.Contains("block 1 has the candidates 0 to 8, and the path wants 9", Refused([0, 9]), StringComparison.Ordinal);

        string Refused(int[] path) => Assert.Throws<ArgumentException>(() => supernet.Call(images, path)).Message;
    }

    [Theory]
    [InlineData(2, 0.5, 31, "cannot be expanded by 0.5")]
    [InlineData(4, 1, 31, "4 thirds of 3 heads")]
    [InlineData(0, 1, 30, "must be odd, not 30")]
    public void Blocks_that_cannot_be_are_refused(int thirds, double expansion, int kernel, string reason) =>
        Assert.Contains(
            reason,
            Assert
                .Throws<ArgumentException>(() =>
                    new Glit(
                        new Glit.Config(
                            (32, 32),
                            8,
                            27,
                            3,
                            [
                                [new(thirds, expansion, Kernel: kernel)],
                            ],
                            5
                        )
                    )
                )
                .Message,
            StringComparison.Ordinal
        );
}
