using Tessera.Checkpoints;
using Tessera.Models;
using Tessera.Models.Measurement;
using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests.Models;

[Collection("engine")]
public sealed class PnasTests
{
    private const string NotNumbers =
        "block 0 of a cell must be input-input-operation-operation with whole numbers from 0, as in 0-1-0-3, and ";

    // All eight operations, on cells and on blocks.
    private static readonly PnasCell everything = new([
        new(0, 1, 0, 3),
        new(1, 2, 7, 5),
        new(0, 3, 4, 6),
        new(2, 2, 1, 2),
        new(0, 5, 5, 4),
        new(1, 0, 4, 7),
    ]);

    private static PnasNetwork Small(PnasReductions reductions = PnasReductions.First, bool auxiliary = false, int side = 18) =>
        (PnasNetwork)
            PnasNetworkOptions
                .Of(everything, cells: 2, filters: 4, reductions, auxiliary)
                .Create(new() { Classes = 5, ImageSize = (side, side) });

    [Fact]
    public void A_cell_is_a_text_that_reads_back_to_the_same()
    {
        Assert.Equal("0-0-1-6_1-1-2-6_1-1-1-0_4-1-0-6_0-1-0-4", PnasCell.Published.ToString());
        Assert.Equal(PnasCell.Published, PnasCell.Parse(PnasCell.Published.ToString()));
        Assert.NotEqual(PnasCell.Published, PnasCell.Published.Canonical());
        Assert.Equal("0-0-1-6_1-1-2-6_1-1-0-1_1-4-6-0_0-1-0-4", PnasCell.Published.Canonical().ToString());
        Assert.Equal(PnasCell.Published.Canonical(), PnasCell.Published.Canonical().Canonical());
    }

    [Theory]
    [InlineData("0-0-1-6_1-1-2", "block 1 of a cell must have 4 numbers (input, input, operation, operation), not 3")]
    [InlineData("0-2-1-6", "block 0 of a cell: an input must be from 0 to 1, not 2")]
    [InlineData("0-1-1-6_3-0-0-0", "block 1 of a cell: an input must be from 0 to 2, not 3")]
    [InlineData("0-1-1-8", "block 0 of a cell: an operation must be from 0 to 7, not 8")]
    [InlineData("0-1-1-x", $"{NotNumbers}'x' is none")]
    [InlineData("", $"{NotNumbers}'' is none")]
    public void What_is_no_cell_is_named(string text, string message) =>
        Assert.Equal(message, Assert.Throws<FormatException>(() => PnasCell.Parse(text)).Message);

    [Fact]
    public void A_recipe_that_gives_no_cell_is_refused()
    {
        Assert.StartsWith(
            "cell: a cell must have at least 1 block",
            Assert.Throws<ArgumentException>(() => new PnasNetworkOptions([])).Message,
            StringComparison.Ordinal
        );
        Assert.StartsWith(
            "cell: block 0 of a cell: an input must be from 0 to 1, not 4",
            Assert
                .Throws<ArgumentException>(() =>
                    new PnasNetworkOptions([
                        [4, 0, 0, 0],
                    ])
                )
                .Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void The_published_cell_on_small_images_has_as_many_parameters_as_published()
    {
        using var scope = new Scope();
        using var skipped = Init.Skip();
        var net = PnasNetworkOptions.Of(PnasCell.Published, cells: 3, filters: 48).Create(new());
        Assert.Equal(3_176_602, net.ParameterCount);
        Assert.Equal(9, net.BlockPaths.Count);
        var between = PnasNetworkOptions.Of(PnasCell.Published, 3, 48, PnasReductions.Between).Create(new());
        Assert.Equal((4_271_002L, 11), ((long)between.ParameterCount, between.BlockPaths.Count));
    }

    [Fact]
    public void The_cell_of_the_published_network_is_the_general_one_with_the_published_blocks()
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        Torch.Seed(3);
        // Even padding, as the general cell pads. Cell 0 follows a reduction, cell 1 reduces.
        var net = new PnasNet(new((67, 67), Filters: 8, CellsPerStage: 1, StemFilters: 6, Classes: 0, EvenPadding: true));
        net.Eval();
        // Outputs of the two cells of the stem, and of the two cells behind them.
        var outputs = net.ForwardIntermediates(Torch.Randn([2, 3, 67, 67]));
        Same("cell_0", outputs[0], outputs[1], outputs[2], 8, halves: false, afterReduction: true);
        Same("cell_1", outputs[1], outputs[2], outputs[3], 16, halves: true, afterReduction: false);

        void Same(string name, Tensor before, Tensor last, Tensor expected, int filters, bool halves, bool afterReduction)
        {
            var general = new PnasCellLayer(PnasCell.Published, (int)before.Size(1), (int)last.Size(1), filters, halves, afterReduction);
            var theirs = net.StateDict().Where(entry => entry.Key.StartsWith($"{name}.", StringComparison.Ordinal)).ToArray();
            var ours = general.StateDict();
            Assert.Equal(theirs.Length, ours.Count);
            foreach (var (mine, other) in ours.Values.Zip(theirs))
                mine.Copy_(other.Value);
            general.Eval();
            Near.Equal(expected, general.Call((before, last)), 1e-5);
        }
    }

    [Theory]
    [InlineData(PnasReductions.First, false)]
    [InlineData(PnasReductions.Between, true)]
    public void Every_weight_learns(PnasReductions reductions, bool auxiliary)
    {
        using var scope = new Scope();
        Torch.Seed(1);
        var net = Small(reductions, auxiliary);
        net.Train();
        var outputs = net.Run(new(Torch.Randn([2, 3, 18, 18])));
        Assert.Equal(auxiliary, outputs.Named.ContainsKey(Outputs.Auxiliary));
        Assert.All(outputs.Tensors, output => Assert.Equal(new Shape(2, 5), output.Shape));
        outputs.Tensors.Select(output => (output - 1).Square().Mean()).Aggregate((a, b) => a + b).Backward();
        foreach (var (name, parameter) in net.NamedParameters())
            Assert.True(parameter.Grad is { } gradient && gradient.Isfinite().All().ToDouble() == 1, $"no finite gradient for {name}");
        net.Eval();
        Assert.Empty(net.Run(new(Torch.Randn([2, 3, 18, 18]))).Named);
    }

    [Theory]
    [InlineData(PnasReductions.First)]
    [InlineData(PnasReductions.Between)]
    public void A_network_answers_the_questions_of_every_backbone(PnasReductions reductions)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        Torch.Seed(1);
        var net = Small(reductions);
        net.Eval();
        var images = Torch.Randn([2, 3, 18, 18]);
        var logits = net.Call(images);
        Near.Equal(logits, net.ForwardHead(net.ForwardFeatures(images)), 1e-5);
        Near.Equal(logits, net.Run(new(images)).Logits, 1e-5);
        Assert.Equal(net.NumFeatures, net.ForwardEmbedding(images).Size(1));
        Assert.Equal(net.BlockPaths.Count, net.ForwardIntermediates(images).Count);
        Assert.Equal([(1, 18L), (2, 9L), (4, 5L)], net.ForwardFeatureMaps(images).Select(map => (map.Stride, map.Map.Size(2))));
        Assert.NotEmpty(net.Explain(images.Slice(0, 0, 1)));
        Assert.True(ModelCost.Count(net).Macs > 0);
        net.ResetClassifier(7);
        Assert.Equal(new Shape(2, 7), net.Call(images).Shape);
        net.Resize(23, 9);
        Assert.Equal(new Shape(2, 7), net.Call(Torch.Randn([2, 3, 23, 9])).Shape);
    }

    [Fact]
    public void Weights_are_saved_and_loaded_with_a_second_classifier()
    {
        using var scope = new Scope();
        using var folder = new TempFolder();
        var net = Small(auxiliary: true);
        Assert.All(net.ClassifierNames, name => Assert.Contains(name, net.StateDict().Keys));
        Checkpoint.SaveSafetensors(folder["net.safetensors"], net.StateDict().ToCheckpoint());
        var other = Small(auxiliary: true);
        other.Load(folder["net.safetensors"]);
        net.Eval();
        other.Eval();
        var images = Torch.Randn([1, 3, 18, 18]);
        Near.Identical(net.Call(images), other.Call(images));
        other.ResetClassifier(0);
        Assert.DoesNotContain(net.ClassifierNames, other.StateDict().Keys.Contains);
    }

    [Theory]
    [InlineData(17, 17)]
    [InlineData(32, 32)]
    [InlineData(40, 60)]
    public void A_second_classifier_covers_the_whole_map(int height, int width)
    {
        using var scope = new Scope();
        var net = PnasNetworkOptions
            .Of(new PnasCell(new PnasBlock(0, 1, 6, 4)), cells: 1, filters: 2, auxiliary: true)
            .Create(new() { ImageSize = (height, width) });
        net.Train();
        Assert.Equal(new Shape(2, 10), net.Run(new(Torch.Randn([2, 3, height, width]))).Named[Outputs.Auxiliary].Shape);
        Assert.Contains(
            $"takes images of {height}x{width}",
            Assert.Throws<ShapeException>(() => net.Resize(2 * height, width)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void A_second_classifier_needs_large_enough_images() =>
        Assert.StartsWith(
            "auxiliary must be false for images of 16x32",
            Assert
                .Throws<ArgumentException>(() =>
                    PnasNetworkOptions.Of(everything, 1, 2, auxiliary: true).Create(new() { ImageSize = (16, 32) })
                )
                .Message,
            StringComparison.Ordinal
        );

    [Fact]
    public void More_operations_are_left_out_as_training_goes_on()
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        Torch.Seed(5);
        var options = PnasNetworkOptions.Of(everything, cells: 1, filters: 4);
        var net = options.Create(new() { ImageSize = (16, 16), DropPath = 0.5 });
        net.Train();
        var images = Torch.Randn([4, 3, 16, 16]);
        net.TrainedShare = 0;
        // Batch norms compute with the batch, so that two passes are the same where nothing is drawn.
        Near.Identical(net.Call(images), net.Call(images));
        net.TrainedShare = 1;
        Assert.False(net.Call(images).Equal(net.Call(images)));
        net.Eval();
        Near.Identical(net.Call(images), net.Call(images));
    }
}
