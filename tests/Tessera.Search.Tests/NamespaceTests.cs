using Tessera.Search;
using Tessera.Testing;

namespace Tessera.Tests.Search;

public class NamespaceTests
{
    [Fact]
    public void Namespaces_are_folders_and_depend_on_each_other_without_a_circle() => NamespaceRules.Check(typeof(SearchRecipe).Assembly);
}
