using Tessera.Models;

namespace Tessera.Tests.Models;

public class CvTTests
{
    private static CvT.Config Small(string method = "dw_bn", bool token = true) =>
        new((32, 32), [new(3, 2, 1, 8, 1, 1), new(3, 2, 1, 16, 1, 2), new(3, 2, 1, 24, 2, 3, token)], 5, Method: method);

    [Theory]
    [InlineData("dw_bn", true)]
    [InlineData("avg", false)]
    [InlineData("linear", true)]
    public void Features_pyramid_and_attention_have_their_shapes(string method, bool token)
    {
        using var scope = Torch.Scope();
        var model = new CvT(Small(method, token));
        model.Eval();
        var image = Torch.Randn([1, 3, 36, 32]); // maps of 18 x 16, 9 x 8 and 5 x 4
        Assert.Equal(new Shape(1, 5), model.Call(image).Shape);
        Assert.Equal(new Shape(1, token ? 21 : 20, 24), model.ForwardFeatures(image).Shape);
        Assert.Equal(
            [(2, new Shape(1, 8, 18, 16)), (4, new Shape(1, 16, 9, 8)), (8, new Shape(1, 24, 5, 4))],
            model.ForwardFeatureMaps(image).Select(m => (m.Stride, m.Map.Shape))
        );
        Assert.Equal([288, 72, 20, 20], model.ForwardIntermediates(image, prefixTokens: false).Select(b => b.Size(1)));
        var attention = model.AttentionMaps(image);
        Assert.Equal(
            [
                "stage0.blocks.0.attn.attention",
                "stage1.blocks.0.attn.attention",
                "stage2.blocks.0.attn.attention",
                "stage2.blocks.1.attn.attention",
            ],
            attention.Keys
        );
        Assert.All(attention.Values, weights => Assert.True(weights.Sum(-1).Allclose(Torch.Ones([1]))));
        if (method == "dw_bn")
            Assert.Equal(new Shape(1, 2, 72, 20), attention["stage1.blocks.0.attn.attention"].Shape);
    }

    [Fact]
    public void The_class_token_alone_has_no_decay_beside_vectors()
    {
        using var scope = Torch.Scope();
        var model = new CvT(Small());
        Assert.Equal(["stage2.cls_token"], model.NamedParameters().Select(p => p.Name).Where(model.NoWeightDecay));
    }

    [Theory]
    [InlineData("conv")]
    public void An_unknown_method_is_refused(string method) => Assert.Throws<ArgumentException>(() => new CvT(Small(method)));
}
