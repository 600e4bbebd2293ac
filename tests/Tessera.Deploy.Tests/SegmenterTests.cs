using Tessera.Deploy;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Tests.Models;

namespace Tessera.Tests.Deploy;

/// <summary>Compiled segmenters against the segmenters that they were made from.</summary>
public class SegmenterTests : LiveTensors
{
    private const int Classes = 3;

    /// <summary>The families that a head meets in practice, of each its structure for dense tasks, or the first.</summary>
    private static readonly string[] families =
    [
        "Mit",
        "PvtV2",
        "Pvt",
        "Swin",
        "CSwin",
        "ResNet",
        "Vit",
        "RevCol",
        "InternImage",
        "HatNet",
        "Cct",
        "Xcit",
    ];

    private static readonly Dictionary<string, SegmenterOptions> widths = new()
    {
        ["segformer"] = new SegFormerOptions(),
        ["semantic_fpn"] = new SemanticFpnOptions(64, 32),
        ["upernet"] = new UPerNetOptions(32),
        ["vt_fpn"] = new VtFpnOptions(64, 128, 8, 32, 8),
    };

    public static TheoryData<string> Heads => [.. SmallHeads.All.Keys];

    public static TheoryData<string, string> Pairs
    {
        get
        {
            var pairs = new TheoryData<string, string>();
            foreach (var name in Representatives())
            foreach (var head in SmallHeads.All.Keys)
                pairs.Add(head, name);
            return pairs;
        }
    }

    private static IEnumerable<string> Representatives()
    {
        var found = new Dictionary<string, string>();
        using var skip = Nn.Init.Skip();
        foreach (var name in Reduced.Names)
        {
            using var scope = Torch.Scope();
            var family = Reduced.Create(name).GetType().Name;
            if (
                Array.Exists(families, one => one.Equals(family, StringComparison.OrdinalIgnoreCase))
                && (Reduced.IsDense(name) || !found.ContainsKey(family))
            )
                found[family] = name;
        }
        return found.Values;
    }

    private static Segmenter Create(string head, string name)
    {
        var model = SmallHeads.All[head].Create(Reduced.Create(name), Classes);
        Nontrivial.Prepare(model);
        return model;
    }

    /// <summary>A size that divides into nothing, below a model's own, which some are tied to.</summary>
    private static Tensor Odd(Segmenter model, int count) =>
        Torch.Randn([count, model.Backbone.Channels, model.Backbone.ImageSize.Height - 3, model.Backbone.ImageSize.Width - 5]);

    private static Segmenter Encoded(string head) =>
        Create(head, Reduced.Names.First(name => name.StartsWith("mit_", StringComparison.Ordinal)));

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Every_head_gives_the_scores_that_it_gave_before(string head, string name)
    {
        using var scope = Torch.Scope();
        var model = Create(head, name);
        var images = Odd(model, 2);
        var expected = model.Call(images);
        using (var compiled = model.Compile(new() { Threads = 2 }))
        {
            Near.Equal(expected, compiled.Call(images), 1e-5);
            Near.Equal(expected[1..], compiled.Call(images[1..]), 1e-5);
        }
        using var half = model.Compile(new() { Precision = DType.BFloat16, Threads = 1 });
        var difference = (half.Call(images) - expected).Norm().ToDouble() / expected.Norm().ToDouble();
        Assert.InRange(difference, 0, 0.05);
    }

    [Fact]
    [Trait("Category", "Long")]
    public void A_head_over_every_structure_gives_the_scores_that_it_gave_before()
    {
        foreach (
            var name in Reduced.Names.Where(name =>
                !name.StartsWith("sret", StringComparison.Ordinal) && !name.StartsWith("text", StringComparison.Ordinal)
            )
        )
        foreach (var head in SmallHeads.All.Keys)
        {
            using var scope = Torch.Scope();
            Torch.Seed(0);
            var model = Create(head, name);
            var images = Odd(model, 1);
            using var compiled = model.Compile(new() { Threads = 1 });
            var (before, after) = (model.Call(images).To(DType.Float64), compiled.Call(images).To(DType.Float64));
            // Random weights amplify rounding in some networks: it is the engine's own error that says how much.
            model.To(dtype: DType.Float64);
            var exact = model.Call(images.To(DType.Float64));
            var scale = Math.Max(1, exact.Abs().Max().ToDouble());
            var (own, ours) = ((before - exact).Abs().Max().ToDouble() / scale, (after - exact).Abs().Max().ToDouble() / scale);
            Assert.True(ours <= Math.Max(1e-5, 2 * own), $"{head} over {name}: {ours:G3} from the exact scores, the engine {own:G3}");
        }
    }

    [Theory]
    [InlineData("avx512_bf16")]
    [InlineData("avx512")]
    [InlineData("avx2")]
    [InlineData("plain")]
    public void All_kernels_that_the_processor_runs_agree(string kernels) => WithKernels.Run(kernels, () =>
        {
            using var scope = Torch.Scope();
            foreach (var head in SmallHeads.All.Keys)
            {
                var model = Encoded(head);
                var images = Torch.Randn([1, 3, 83, 107]);
                using var compiled = model.Compile(new() { Threads = 1 });
                Near.Equal(model.Call(images), compiled.Call(images), 1e-5);
            }
        });

    // More classes than a vector has lanes, by one and by many; fewer; one.
    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(16)]
    [InlineData(35)]
    public void Any_number_of_classes_comes_in_rows(int classes)
    {
        using var scope = Torch.Scope();
        foreach (var head in SmallHeads.All.Keys)
        {
            var model = Encoded(head);
            model.ResetClassifier(classes);
            Nontrivial.Prepare(model);
            var images = Torch.Randn([3, 3, 70, 94]);
            var expected = model.Call(images);
            using var compiled = model.Compile(new() { Threads = 2 });
            Near.Equal(expected, compiled.Call(images), 1e-5);
            Near.Equal(expected[2..], compiled.Call(images[2..]), 1e-5);
        }
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void Sizes_may_come_in_any_order_and_number(string head)
    {
        using var scope = Torch.Scope();
        var model = Encoded(head);
        using var compiled = model.Compile(new() { Threads = 1 });
        foreach (var side in DenseCompilation.Heights)
        {
            using var inner = Torch.Scope();
            var images = Torch.Randn([1, 3, side, 64]);
            Near.Equal(model.Call(images), compiled.Call(images), 1e-5);
        }
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void Every_thread_gets_the_scores_of_its_own_images_of_its_own_size(string head)
    {
        using var scope = Torch.Scope();
        using var compiled = Encoded(head).Compile(new() { Threads = 1 });
        DenseCompilation.HoldsForEveryThread(compiled);
    }

    [Fact]
    public void Plans_that_make_room_for_others_end_with_their_last_call()
    {
        const int threads = 4;
        using var scope = Torch.Scope();
        var model = Encoded("segformer");
        var images = Enumerable.Range(0, 12).Select(i => Torch.Randn([1, 3, 32 + (8 * i), 32])).ToArray();
        var expected = images.Select(own => model.Call(own)).ToArray();
        using var compiled = model.Compile(new() { Threads = 1 });
        Together.Run(threads, 24, (thread, round) =>
        {
            using var inner = Torch.Scope();
            var i = ((5 * thread) + round) % images.Length;
            Near.Equal(expected[i], compiled.Call(images[i]), 1e-5);
        });
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void A_compilation_that_is_stopped_in_the_middle_leaves_nothing_behind(string head)
    {
        using var scope = Torch.Scope();
        var model = Encoded(head);
        model.Call(Torch.Zeros([1, 3, 64, 96])).Dispose();
        var before = Settled();
        foreach (var calls in new[] { 1, 40 })
        {
            using var source = new CancellationTokenSource();
            using (new StopsAfter(calls, source))
                Assert.ThrowsAny<OperationCanceledException>(() => model.Compile(stop: source.Token));
            Assert.Equal(before, Settled());
        }
        var images = Torch.Randn([1, 3, 64, 96]);
        using var compiled = model.Compile();
        Near.Equal(model.Call(images), compiled.Call(images), 1e-5);
    }

    // The memory of a call, and that of a compilation, beside what the model holds while it runs by itself.
    [Theory]
    [MemberData(nameof(Heads))]
    public void Compiled_it_takes_no_more_memory(string head)
    {
        using var scope = Torch.Scope();
        using var quiet = Torch.NoGrad();
        // The widths of B0, on which it depends which map is the largest.
        var encoder = new Mit(new((512, 512), [32, 64, 160, 256], [1, 1, 1, 1], [1, 2, 5, 8], [4, 4, 4, 4], [8, 4, 2, 1]));
        var model = widths[head].Create(encoder, 19);
        Nontrivial.Prepare(model);
        var image = Torch.Randn([1, 3, 512, 512]);
        model.Call(image).Dispose();
        using var eager = new LiveMemory();
        model.Call(image).Dispose();
        eager.Dispose();
        using var compiling = new LiveMemory();
        using var compiled = model.Compile(new() { Threads = 1 });
        compiling.Dispose();
        Assert.InRange(compiled.WorkingBytes, 1, eager.MostBytes);
        // Beside the trace stand its input and results that depend on the weights alone, and weights that are multiplied in.
        Assert.InRange(compiling.MostBytes, 1, eager.MostBytes + (eager.MostBytes / 8));
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void Plans_for_other_sizes_share_the_weights_and_go_in_the_end(string head)
    {
        using var scope = Torch.Scope();
        var model = Encoded(head);
        using var compiled = model.Compile(new() { Threads = 1 });
        var alone = compiled.ConstantBytes;
        Assert.True(alone > 0);
        for (var i = 0; i < 20; i++)
            compiled.Call(Torch.Randn([1, 3, 32 + (3 * i), 32])).Dispose();
        // Beside the weights there are tables of positions for each of the sizes kept.
        Assert.InRange(compiled.ConstantBytes, alone, 2 * alone);
        compiled.Dispose();
        Assert.Equal(0, compiled.ConstantBytes);
    }

    [Fact]
    public void The_auxiliary_head_is_left_out()
    {
        using var scope = Torch.Scope();
        var (with, without) = (Encoded("upernet"), new UPerNetOptions(8, AuxiliaryChannels: 0).Create(Reduced.Create("mit_b0"), Classes));
        without.Eval();
        using var one = with.Compile();
        using var other = without.Compile();
        Assert.Equal(other.Profile(1).Select(step => step.Operators), one.Profile(1).Select(step => step.Operators));
    }

    [Fact]
    public void SegFormer_multiplies_each_map_at_its_own_resolution()
    {
        using var scope = Torch.Scope();
        var model = Encoded("segformer");
        using var compiled = model.Compile();
        using var count = new OperationCount();
        model.Call(model.Backbone.ExampleInput());
        var steps = compiled.Profile(1);
        var all = steps.Sum(step => step.Macs);
        // 16 x 64 weights at every position become 16 x 16 for each map at its own positions, and no engine resizes.
        Assert.InRange(all, count.Macs / 4, count.Macs - 1);
        Assert.DoesNotContain(steps, step => step.Kind == "Engine" && step.Operators.Contains("upsample", StringComparison.Ordinal));
    }

    [Fact]
    public void What_cannot_be_compiled_is_refused_with_the_reason()
    {
        using var scope = Torch.Scope();
        var model = Encoded("upernet");
        using (var compiled = model.Compile())
            Assert.Contains(
                "channels",
                Assert.Throws<ShapeException>(() => compiled.Call(Torch.Zeros([1, 4, 64, 64]))).Message,
                StringComparison.Ordinal
            );
        model.Train();
        Assert.Contains("Eval()", Assert.Throws<InvalidOperationException>(() => model.Compile()).Message, StringComparison.Ordinal);
    }
}
