using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

/// <summary>Every detector over every family of the registry, in reduced form and at a size that divides into nothing.</summary>
public class DetectorMatrixTests : LiveTensors
{
    private const int Classes = 3;

    public static TheoryData<string, string> Pairs => Reduced.UnderHeads(first => first ? SmallDetectors.All.Keys : []);

    [Theory]
    [MemberData(nameof(Pairs))]
    public void A_detector_stands_over_a_model_at_an_odd_size(string head, string name)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var backbone = Reduced.Create(name);
        var model = SmallDetectors.All[head].Create(backbone, Classes);
        var (height, width) = (backbone.ImageSize.Height - 3, backbone.ImageSize.Width - 5);
        var images = Torch.Randn([2, backbone.Channels, height, width]);
        var losses = model.Losses(
            images,
            [
                SmallDetectors.Targets((height, width), ([1, 2, width / 2, height - 1], 0), ([0, 0, width, height], 2)),
                SmallDetectors.Targets((height - 2, width - 3)),
            ]
        );
        losses.Values.Aggregate((a, b) => a + b).Backward();
        var learned = model.NamedParameters().Where(p => p.Parameter.Grad is not null).ToArray();
        Assert.All(learned, p => Assert.Equal(1, p.Parameter.Grad!.Isfinite().All().ToDouble()));
        Assert.Contains(learned, p => p.Name.StartsWith("backbone.", StringComparison.Ordinal));
        Assert.Equal(
            model.NamedParameters().Count(p => !p.Name.StartsWith("backbone.", StringComparison.Ordinal)),
            learned.Count(p => !p.Name.StartsWith("backbone.", StringComparison.Ordinal))
        );
        model.Eval();
        var found = model.Detect(images, [(height, width), (height - 2, width - 3)]);
        Assert.Equal(2, found.Count);
        Assert.All(found, image => Assert.Equal(1, image.Boxes.Isfinite().All().ToDouble()));
    }
}
