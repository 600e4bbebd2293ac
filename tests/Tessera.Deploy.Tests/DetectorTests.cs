using Tessera.Deploy;
using Tessera.Models;
using Tessera.Testing;
using Tessera.Tests.Models;

namespace Tessera.Tests.Deploy;

/// <summary>Compiled detectors against the detectors that they were made from.</summary>
public class DetectorTests : LiveTensors
{
    private const int Classes = 3;

    private static readonly Dictionary<string, DetectorOptions> heads = new(
        SmallRcnns.All.Concat(
            SmallDetectors
                .All.Where(head => head.Value is RetinaNetOptions)
                .Select(head =>
                    KeyValuePair.Create<string, DetectorOptions>(
                        head.Key,
                        (RetinaNetOptions)head.Value with
                        {
                            Score = 0,
                            Candidates = 50,
                            Detections = 20,
                        }
                    )
                )
        )
    );

    public static TheoryData<string, string> Pairs
    {
        get
        {
            var pairs = new TheoryData<string, string>();
            foreach (var head in heads.Keys)
            foreach (var backbone in SmallRcnns.Backbones.Keys)
                pairs.Add(head, backbone);
            return pairs;
        }
    }

    public static TheoryData<string> Heads => [.. heads.Keys];

    private static Detector Create(string head, string backbone = "resnet")
    {
        Torch.Seed(3);
        var model = heads[head].Create(SmallRcnns.Backbones[backbone](), Classes);
        Nontrivial.Prepare(model);
        // An untrained RetinaNet finds all classes of all anchors equally unlikely.
        using var outside = Torch.NoGrad();
        foreach (var (name, parameter) in model.NamedParameters())
            if (name.EndsWith("retina_cls.weight", StringComparison.Ordinal))
                parameter.Mul_(30);
        return model;
    }

    private static void Same(DenseOutputs expected, DenseOutputs found)
    {
        Assert.Equal(expected.Scores.Count, found.Scores.Count);
        Assert.Equal(expected.Differences.Count, found.Differences.Count);
        Assert.Equal(expected.Levels.Count, found.Levels.Count);
        foreach (var (one, other) in expected.Scores.Zip(found.Scores))
            Near.Equal(one, other, 1e-5);
        foreach (var (one, other) in expected.Differences.Zip(found.Differences))
            Near.Equal(one, other, 1e-5);
        foreach (var (one, other) in expected.Levels.Zip(found.Levels))
            Near.Equal(one, other, 1e-5);
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Every_head_gives_the_maps_that_it_gave_before(string head, string backbone)
    {
        using var scope = Torch.Scope();
        using var outside = Torch.NoGrad();
        var model = Create(head, backbone);
        // Neither side divides into anything.
        var images = Torch.Randn([2, 3, 61, 59]);
        var expected = model.Dense(images);
        using (var compiled = model.Compile(new() { Threads = 2 }))
        {
            Same(expected, DenseOutputs.Unpack(compiled.Call(images)));
            Same(model.Dense(images[1..]), DenseOutputs.Unpack(compiled.Call(images[1..])));
        }
        using var half = model.Compile(new() { Precision = DType.BFloat16, Threads = 1 });
        var found = DenseOutputs.Unpack(half.Call(images));
        foreach (var (one, other) in expected.Tensors.Zip(found.Tensors))
            Assert.InRange((one - other).Norm().ToDouble() / one.Norm().ToDouble(), 0, 0.05);
    }

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Objects_are_those_of_the_model(string head, string backbone)
    {
        using var scope = Torch.Scope();
        var model = Create(head, backbone);
        var images = Torch.Randn([2, 3, 64, 64]);
        (int, int)[] sizes = [(64, 64), (50, 60)];
        using var compiled = model.Compile(new() { Threads = 1 });
        var (expected, found) = (model.Detect(images, sizes), model.Detect(images, x => DenseOutputs.Unpack(compiled.Call(x)), sizes));
        Assert.Contains(expected, one => one.Count > 0);
        foreach (var (one, other) in expected.Zip(found))
        {
            Assert.Equal(one.Classes.ToArray<long>(), other.Classes.ToArray<long>());
            Near.Equal(one.Scores, other.Scores, 1e-5);
            Near.Equal(one.Boxes, other.Boxes, 1e-5);
            Assert.Equal(one.Masks is null, other.Masks is null);
            if (one.Masks is not null)
                Near.Equal(one.Masks, other.Masks!, 1e-5);
        }
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void Sizes_may_come_in_any_order_and_number(string head)
    {
        using var scope = Torch.Scope();
        using var outside = Torch.NoGrad();
        var model = Create(head);
        using var compiled = model.Compile(new() { Threads = 1 });
        foreach (var side in DenseCompilation.Heights)
        {
            using var inner = Torch.Scope();
            var images = Torch.Randn([1, 3, side, 64]);
            Same(model.Dense(images), DenseOutputs.Unpack(compiled.Call(images)));
        }
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void Every_thread_gets_the_maps_of_its_own_images_of_its_own_size(string head)
    {
        using var scope = Torch.Scope();
        using var compiled = Create(head).Compile(new() { Threads = 1 });
        DenseCompilation.HoldsForEveryThread(compiled);
    }

    [Fact]
    public void A_size_that_is_first_seen_in_a_region_of_autocast_is_compiled_as_any_other()
    {
        using var scope = Torch.Scope();
        using var outside = Torch.NoGrad();
        var model = Create("mask_rcnn", "swin");
        var images = Torch.Randn([1, 3, 70, 61]);
        using var compiled = model.Compile(new() { Threads = 1 });
        Tensor packed;
        using (Torch.Autocast())
            packed = compiled.Call(images);
        Same(model.Dense(images), DenseOutputs.Unpack(packed));
    }

    [Fact]
    public void No_images_have_no_objects()
    {
        using var scope = Torch.Scope();
        var model = Create("mask_rcnn");
        using var compiled = model.Compile(new() { Threads = 1 });
        Assert.Empty(model.Detect(Torch.Zeros([0, 3, 64, 64]), x => DenseOutputs.Unpack(compiled.Call(x))));
    }

    [Fact]
    public void What_is_no_answer_of_a_detector_is_not_taken_apart()
    {
        using var scope = Torch.Scope();
        var packed = Create("faster_rcnn").Call(Torch.Randn([1, 3, 64, 64]));
        foreach (var wrong in new[] { packed[0], packed[..0], packed.Slice(1, 0, packed.Size(1) - 1), packed.Slice(1, 3), -packed })
            Assert.Contains(
                "does not hold a detector's maps",
                Assert.Throws<ShapeException>(() => DenseOutputs.Unpack(wrong)).Message,
                StringComparison.Ordinal
            );
    }
}
