using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Tests.Models;

/// <summary>Every head over every structure of the registry, in reduced form and at a size that divides into nothing.</summary>
public class SegmenterMatrixTests : LiveTensors
{
    private const int Classes = 3;

    public static TheoryData<string> Names => [.. Reduced.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_head_stands_over_every_model_at_an_odd_size(string name)
    {
        foreach (var (kind, options) in SmallHeads.All)
        {
            using var scope = Torch.Scope();
            Torch.Seed(1);
            var backbone = Reduced.Create(name);
            if (!backbone.TakesImages)
                return;
            var model = options.Create(backbone, Classes);
            // Smaller than its own size, which some models are tied to.
            var (height, width) = (backbone.ImageSize.Height - 3, backbone.ImageSize.Width - 5);
            var images = Torch.Randn([2, backbone.Channels, height, width]);
            var outputs = model.Run(images);
            Assert.Equal(new Shape(2, Classes), outputs.Logits.Shape.ToArray()[..2]);
            // The scores cover the image, and nothing beyond the position at its edge.
            Assert.Equal(Math.Ceiling(height / model.Stride), outputs.Logits.Size(2));
            Assert.Equal(Math.Ceiling(width / model.Stride), outputs.Logits.Size(3));
            outputs.Tensors.Select(output => output.Square().Mean()).Aggregate((a, b) => a + b).Backward();
            var learned = model.NamedParameters().Where(p => p.Parameter.Grad is not null).ToArray();
            Assert.All(learned, p => Assert.Equal(1, p.Parameter.Grad!.Isfinite().All().ToDouble()));
            Assert.Contains(learned, p => p.Name.StartsWith("backbone.", StringComparison.Ordinal));
            Assert.True(learned.Length > 8, kind);
            model.Eval();
            Assert.Equal(1, model.Call(images).Isfinite().All().ToDouble());
        }
    }
}
