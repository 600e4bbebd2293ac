using Tessera.Testing;

namespace Tessera.Hosting.Tests.Documents;

/// <summary>The C# in the documents is compiled: what a reader copies works.</summary>
public sealed class DocumentTests
{
    private static readonly Lazy<BlockCompiler> compiler = new(() => new());

    private static IEnumerable<string> Files =>
        Directory
            .GetFiles(Repository.Root, "*.md")
            .Concat(
                new[] { "docs", "samples", "src", "recipes" }.SelectMany(folder =>
                    Directory.GetFiles(Path.Combine(Repository.Root, folder), "*.md", SearchOption.AllDirectories)
                )
            )
            .Order(StringComparer.Ordinal);

    private static CodeBlock[] Blocks =>
        [.. Files.SelectMany(file => CodeBlock.In(Path.GetRelativePath(Repository.Root, file), File.ReadAllText(file)))];

    [Fact]
    public void Every_block_of_CSharp_in_the_documents_compiles()
    {
        var errors = Blocks.SelectMany(compiler.Value.Errors).ToArray();
        Assert.True(errors.Length == 0, string.Join('\n', errors));
    }

    [Theory]
    [InlineData("README.md")]
    [InlineData("docs/library.md")]
    [InlineData("docs/inference.md")]
    [InlineData("docs/systems/vit.md")]
    [InlineData("src/Tessera/README.md")]
    [InlineData("src/Tessera.Data/README.md")]
    [InlineData("src/Tessera.Deploy/README.md")]
    [InlineData("src/Tessera.Models/README.md")]
    [InlineData("src/Tessera.Retrieval/README.md")]
    [InlineData("src/Tessera.Search/README.md")]
    [InlineData("src/Tessera.Torch/README.md")]
    [InlineData("src/Tessera.Training/README.md")]
    public void Documents_with_code_are_found(string file) => Assert.Contains(Blocks, block => block.File == file);

    private static IReadOnlyList<string> Errors(string document) => [.. CodeBlock.In("a.md", document).SelectMany(compiler.Value.Errors)];

    [Fact]
    public void An_error_is_told_with_document_and_line()
    {
        var error = Assert.Single(
            Errors(
                """
                # Head

                ```csharp
                using Tessera;

                Console.WriteLine(Torch.Zeros([2]).Sise(0));
                ```
                """
            )
        );
        Assert.StartsWith("a.md:6: CS1061: ", error, StringComparison.Ordinal);
        Assert.Contains("Sise", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_whole_file_needs_its_own_usings_and_a_fragment_none()
    {
        Assert.StartsWith(
            "a.md:2: CS0103: ",
            Assert.Single(
                Errors(
                    """
                    ```csharp
                    var sum = Torch.Zeros([2]).Sum();
                    ```
                    """
                )
            ),
            StringComparison.Ordinal
        );
        Assert.Empty(
            Errors(
                """
                ```csharp ()
                var sum = Torch.Zeros([2]).Sum();
                ```
                """
            )
        );
    }

    [Fact]
    public void A_fragment_takes_variables_as_given_and_its_own_hide_them()
    {
        Assert.Empty(
            Errors(
                """
                ```csharp (Tensor images, (int Height, int Width) size, Dictionary<string, int> counts)
                var images2 = images.Reshape([-1, 3, size.Height, size.Width]);
                var counts2 = counts["a"] + size.Width;
                ```
                """
            )
        );
        Assert.Contains(
            "CS0103",
            Assert.Single(
                Errors(
                    """
                    ```csharp (Tensor images)
                    var sum = labels;
                    ```
                    """
                )
            ),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Modules_get_their_members_and_are_refused_as_in_a_project()
    {
        const string Code = """
            ```csharp
            using Tessera;
            using Tessera.Nn;

            sealed PARTIAL class Mine : Layer
            {
                private readonly Linear head = new(4, 2);

                protected override Tensor Forward(Tensor input) => head.Call(input);
            }
            ```
            """;
        Assert.Empty(Errors(Code.Replace("PARTIAL", "partial", StringComparison.Ordinal)));
        Assert.Contains("TSR002", Assert.Single(Errors(Code.Replace("PARTIAL ", "", StringComparison.Ordinal))), StringComparison.Ordinal);
    }

    [Fact]
    public void Other_words_behind_csharp_are_refused()
    {
        var error = Assert.Throws<FormatException>(() => Errors("text\n\n```csharp fragment\nvar a = 1;\n```\n"));
        Assert.Equal("a.md:3: after csharp there must be nothing, or the given variables in parentheses, not 'fragment'", error.Message);
    }
}
